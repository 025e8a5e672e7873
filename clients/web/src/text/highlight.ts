// Code in coloured pieces, where that is quick. The pieces together are the code, always.
import { parse } from "sugar-high/core";
import { lang, languages } from "sugar-high/lang";

export interface CodePiece {
  /** A class of token (`keyword`, `string`, …); empty: plain. */
  readonly type: string;
  readonly text: string;
}

/** What is longer is shown plain: the screen would stand still. */
export const MAX_HIGHLIGHT_CHARACTERS = 20_000;

const PLAIN: ReadonlySet<string> = new Set(["space", "break", "identifier", "sign"]);

/** Return the lines of a text in pieces. `language`: a name, or the ending of a file's name. */
export function highlight(code: string, language: string): readonly (readonly CodePiece[])[] {
  const name = lang(language.toLowerCase());
  if (name === undefined || code.length > MAX_HIGHLIGHT_CHARACTERS) return plainLines(code);
  const { config } = languages.find((each) => each.id === name) ?? {};
  const lines = parse(code, config).lines.map((line) =>
    line.tokens.map((token) => ({
      type: PLAIN.has(token.type) ? "" : token.type,
      text: token.value,
    })),
  );
  return isWhole(lines, code) ? lines : plainLines(code);
}

/** The ending of a path, by which a language is found. */
export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1) : name;
}

function plainLines(code: string): readonly (readonly CodePiece[])[] {
  return code.split("\n").map((text) => (text === "" ? [] : [{ type: "", text }]));
}

function isWhole(lines: readonly (readonly CodePiece[])[], code: string): boolean {
  return lines.map((line) => line.map((piece) => piece.text).join("")).join("\n") === code;
}
