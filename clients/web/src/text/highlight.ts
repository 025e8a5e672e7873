// Code in coloured pieces, where that is quick. The pieces together are the code, always.
import { parse } from "sugar-high/core";
import type { Rules } from "./languages.ts";

export interface CodePiece {
  /** A class of token (`keyword`, `string`, …); empty: plain. */
  readonly type: string;
  readonly text: string;
}

/** What is longer is shown plain: the screen would stand still. */
export const MAX_HIGHLIGHT_CHARACTERS = 20_000;

const PLAIN: ReadonlySet<string> = new Set(["space", "break", "identifier", "sign"]);

/** Return the lines of a text in pieces: plain without the rules of its language. */
export function highlight(code: string, rules: Rules | null): readonly (readonly CodePiece[])[] {
  if (rules === null || code.length > MAX_HIGHLIGHT_CHARACTERS) return plainLines(code);
  const lines = parse(code, rules).lines.map((line) =>
    line.tokens.map((token) => ({
      type: PLAIN.has(token.type) ? "" : token.type,
      text: token.value,
    })),
  );
  return isWhole(lines, code) ? lines : plainLines(code);
}

function plainLines(code: string): readonly (readonly CodePiece[])[] {
  return code.split("\n").map((text) => (text === "" ? [] : [{ type: "", text }]));
}

function isWhole(lines: readonly (readonly CodePiece[])[], code: string): boolean {
  return lines.map((line) => line.map((piece) => piece.text).join("")).join("\n") === code;
}
