// The colours of a hunk: code by its language, and the words that changed. Loaded when first needed.
import type { ReadonlySignal } from "@preact/signals";
import type { Hunk } from "../model/changes/diff.ts";
import { type Mark, wordMarks } from "../model/changes/word_marks.ts";
import { type CodePiece, highlight } from "./highlight.ts";
import { languageOf, type Rules, rulesOf } from "./languages.ts";

export interface Colours {
  /** By the line's place in the hunk. */
  readonly marks: ReadonlyMap<number, readonly Mark[]>;
  readonly pieces: readonly (readonly CodePiece[] | undefined)[];
}

/** The rules of a file's language, as soon as they are here. */
export function rulesOfFile(path: string): ReadonlySignal<Rules | null> {
  return rulesOf(languageOf(path));
}

export function paintHunk(hunk: Hunk, rules: Rules | null): Colours {
  const code = hunk.lines.map((line) => line.text).join("\n");
  return { marks: wordMarks(hunk.lines), pieces: highlight(code, rules) };
}
