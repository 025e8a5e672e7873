// A command in parts, those that can do harm marked. The parts together are the text, always.

import { ENGLISH } from "../words/english.ts";
import { tokens } from "./shell_lexer.ts";
import {
  argumentKind,
  isAssignment,
  isDeletingText,
  isNetwork,
  isPrefix,
  isShell,
  operatorKind,
  programKind,
  programOf,
  type ShellKind,
} from "./shell_risks.ts";

export type { ShellKind } from "./shell_risks.ts";

export interface ShellPart {
  readonly text: string;
  readonly kind: ShellKind;
  readonly isRisky: boolean;
}

interface Reading {
  parts: ShellPart[];
  commands: number;
}

interface Command {
  program: string;
  verb: string;
  /** Whether the next word begins a command. */
  isBeginning: boolean;
  /** Whether something before it in its pipe reaches the network. */
  isFed: boolean;
  /** Whether nothing, not even a space, came since its program: more of its name may follow. */
  isNaming: boolean;
  /** Whether the next quoted text is a script of its own. */
  takesScript: boolean;
}

const MAX_CHARACTERS = 200_000;

/** Split a command. What is too long to be read is one part, and risky as a whole. */
export function shellParts(text: string): readonly ShellPart[] {
  return read(text).parts;
}

/** How many of each kind a command has, in words: "3 commands, 1 deletion, 1 push". */
export function shellCounts(text: string): string {
  const { parts, commands } = read(text);
  const counts = new Map<ShellKind, number>();
  for (const part of parts) counts.set(part.kind, (counts.get(part.kind) ?? 0) + 1);
  const named = ENGLISH.shellKinds
    .map(([kind, one, many]) => [counts.get(kind) ?? 0, one, many] as const)
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => ENGLISH.count(count, one, many));
  return [ENGLISH.count(commands, "command"), ...named].join(", ");
}

/** The kinds of risk in a command, as a worker names them in `risks`. */
export function shellRisks(text: string): ReadonlySet<string> {
  const kinds = new Set(shellParts(text).map((part) => part.kind));
  return new Set(
    Object.entries(ENGLISH.workerRisks)
      .filter(([kind]) => kinds.has(kind as ShellKind))
      .map(([, risk]) => risk),
  );
}

function read(text: string): Reading {
  const reading: Reading = { parts: [], commands: 0 };
  if (text.length > MAX_CHARACTERS) add(reading, text, "substitution");
  else if (text !== "") readInto(reading, text);
  return reading;
}

function begin(isFed = false): Command {
  return { program: "", verb: "", isBeginning: true, isFed, isNaming: false, takesScript: false };
}

function readInto(reading: Reading, text: string, nesting = 0): void {
  const stack: Command[] = [begin()];
  for (const token of tokens(text)) {
    const command = stack.at(-1)!;
    switch (token.type) {
      case "operator":
        stack[stack.length - 1] = afterOperator(token.text, command);
        add(reading, token.text, operatorKind(token.text));
        break;
      case "open":
        stack.push(begin());
        add(reading, token.text, token.text === "(" ? "plain" : "substitution");
        break;
      case "close":
        if (stack.length > 1) stack.pop();
        add(reading, token.text, "plain");
        break;
      case "word":
        add(reading, token.text, readWord(reading, token.text, command));
        break;
      case "quoted":
        readQuoted(reading, token.text, command, nesting);
        break;
      default:
        command.isNaming = false;
        add(reading, token.text, "plain");
    }
  }
}

/** A redirection goes on with the same command; everything else begins another. */
function afterOperator(operator: string, command: Command): Command {
  if (/[<>]/.test(operator)) return command;
  const isPipe = operator === "|" || operator === "|&";
  return begin(isPipe && (command.isFed || isNetwork(command.program)));
}

function readWord(reading: Reading, written: string, command: Command): ShellKind {
  const word = written.replaceAll("\\", ""); // `r\m` is rm
  if (command.isNaming) return "substitution"; // `r''m`: a name in pieces
  if (!command.isBeginning) {
    const kind = argumentKind(word, command);
    if (command.verb === "" && !word.startsWith("-")) command.verb = word;
    if (word === "-c" || word === "-e") command.takesScript = isShell(command.program);
    return kind;
  }
  if (isAssignment(word)) return "plain";
  const program = programOf(word);
  command.program = program;
  command.verb = "";
  command.isBeginning = isPrefix(program);
  command.isNaming = true;
  command.takesScript = program === "eval";
  reading.commands += 1;
  if (command.isFed && isShell(program)) return "piped_to_shell";
  return /[$*?[]/.test(program) && program !== "[" && program !== "[["
    ? "substitution"
    : programKind(program);
}

function readQuoted(reading: Reading, text: string, command: Command, nesting: number): void {
  const quote = text[0] === "'" && text.endsWith("'") && text.length > 1 ? 1 : 0;
  const inside = text.slice(quote, text.length - quote);
  if (command.isNaming && text !== '"') {
    add(reading, text, "substitution");
  } else if (command.takesScript && nesting < 4 && inside.trim() !== "" && inside !== '"') {
    add(reading, text.slice(0, quote), "plain");
    readInto(reading, inside, nesting + 1);
    add(reading, text.slice(text.length - quote), "plain");
  } else if (command.isBeginning && inside.trim() !== "" && inside !== '"') {
    add(reading, text, readWord(reading, inside, command)); // a quoted program: "rm" -rf
  } else {
    add(reading, text, isDeletingText(inside) ? "delete" : "plain");
  }
}

function add(reading: Reading, text: string, kind: ShellKind): void {
  if (text === "") return;
  const last = reading.parts.at(-1);
  if (kind === "plain" && last?.kind === "plain") {
    reading.parts[reading.parts.length - 1] = { ...last, text: last.text + text };
  } else {
    reading.parts.push({ text, kind, isRisky: kind !== "plain" });
  }
}
