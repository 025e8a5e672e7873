// Splits a shell command into tokens. Together they are the text, whatever it is: none is dropped.

export type TokenType = "space" | "word" | "quoted" | "operator" | "open" | "close" | "comment";

export interface Token {
  readonly type: TokenType;
  readonly text: string;
  /** How many substitutions and groups it stands in. */
  readonly depth: number;
}

const OPERATOR =
  /^(?:&&|\|\||\|&|&>>|&>|;;|<<<|<<-?|\d*>&\d+|\d*>>|\d*>\||\d*>&|\d*>|<|\||;|&|\r?\n)/;
const SPACE = /^(?:[ \t]|\\\r?\n)+/;
const WORD = /^(?:\\[\s\S]|\$(?!\()|[^\s\\'"`$|&;<>()])+/;
const HEREDOC_NAME = /^[ \t]*(['"]?)([\w.-]+)\1/;

type Mode = "plain" | "double" | "substitution" | "backquote" | "group";

/** Return the tokens of a text; unbalanced quotes reach to its end. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  const modes: Mode[] = ["plain"];
  const heredocs: string[] = [];
  let place = 0;
  const take = (type: TokenType, length: number) => {
    const depth = modes.filter((mode) => mode !== "double").length;
    found.push({ type, text: text.slice(place, place + length), depth });
    place += length;
  };
  while (place < text.length) {
    const rest = text.slice(place, place + 65_536);
    const mode = modes.at(-1)!;
    if (mode === "double") {
      place = inDouble(rest, modes, take, place);
      continue;
    }
    const heredoc = heredocs.length > 0 && /\n$/.test(found.at(-1)?.text ?? "");
    if (heredoc) {
      take("quoted", bodyLength(text, place, heredocs.shift()!));
    } else if (rest.startsWith("$(") || rest.startsWith("<(") || rest.startsWith(">(")) {
      take("open", 2);
      modes.push("substitution");
    } else if (rest[0] === "(") {
      take("open", 1);
      modes.push("group");
    } else if (rest[0] === ")" && (mode === "substitution" || mode === "group")) {
      modes.pop();
      take("close", 1);
    } else if (rest[0] === "`") {
      if (mode === "backquote") modes.pop();
      take(mode === "backquote" ? "close" : "open", 1);
      if (mode !== "backquote") modes.push("backquote");
    } else if (rest[0] === '"') {
      take("quoted", 1);
      modes.push("double");
    } else if (rest[0] === "'") {
      const end = text.indexOf("'", place + 1);
      take("quoted", (end < 0 ? text.length : end + 1) - place);
    } else if (rest[0] === "#" && isWordEnd(found.at(-1))) {
      const end = rest.indexOf("\n");
      take("comment", end < 0 ? rest.length : end);
    } else {
      const [type, length] = simple(rest);
      if (type === "operator" && /^<<-?$/.test(rest.slice(0, length))) {
        const name = HEREDOC_NAME.exec(rest.slice(length));
        if (name !== null) heredocs.push(name[2]!);
      }
      take(type, length);
    }
  }
  return found;
}

function simple(rest: string): [TokenType, number] {
  const space = SPACE.exec(rest);
  if (space !== null) return ["space", space[0].length];
  const operator = OPERATOR.exec(rest);
  if (operator !== null) return ["operator", operator[0].length];
  const word = WORD.exec(rest);
  return ["word", Math.max(1, word?.[0].length ?? 1)];
}

function inDouble(
  rest: string,
  modes: Mode[],
  take: (type: TokenType, length: number) => void,
  place: number,
): number {
  const inside = /^(?:\\[\s\S]|\$(?!\()|[^"\\`$])+/.exec(rest);
  if (inside !== null) {
    take("quoted", inside[0].length);
    return place + inside[0].length;
  }
  if (rest[0] === '"') {
    modes.pop();
    take("quoted", 1);
    return place + 1;
  }
  const length = rest.startsWith("$(") ? 2 : 1;
  const opens = rest[0] === "$" ? "substitution" : rest[0] === "`" ? "backquote" : null;
  take(opens === null ? "quoted" : "open", length);
  if (opens !== null) modes.push(opens);
  return place + length;
}

function isWordEnd(last: Token | undefined): boolean {
  return last === undefined || ["space", "operator", "open"].includes(last.type);
}

/** The length of a here-document, its last line included. */
function bodyLength(text: string, from: number, name: string): number {
  let place = from;
  while (place < text.length) {
    const end = text.indexOf("\n", place);
    const line = text.slice(place, end < 0 ? text.length : end);
    const next = end < 0 ? text.length : end + 1;
    if (line.trim() === name) return Math.max(1, (end < 0 ? text.length : end) - from);
    place = next;
  }
  return text.length - from;
}
