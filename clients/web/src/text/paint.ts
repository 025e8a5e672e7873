// The colours of a hunk: code by its language, and the words that changed. Loaded when first needed.
import type { Hunk } from "../model/changes/diff.ts";
import { type Mark, wordMarks } from "../model/changes/word_marks.ts";
import { type CodePiece, highlight, languageOf } from "./highlight.ts";

export interface Colours {
  /** By the line's place in the hunk. */
  readonly marks: ReadonlyMap<number, readonly Mark[]>;
  readonly pieces: readonly (readonly CodePiece[] | undefined)[];
}

export function paintHunk(hunk: Hunk, path: string): Colours {
  const code = hunk.lines.map((line) => line.text).join("\n");
  return { marks: wordMarks(hunk.lines), pieces: highlight(code, languageOf(path)) };
}
