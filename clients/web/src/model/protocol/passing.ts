// Text that passes: pieces of a block at their offsets, with the holes between them.
import type { Ephemeral } from "../generated/frames.gen.ts";

/** Adjacent characters (code points) from `offset` on. */
interface Run {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

export type Runs = readonly Run[];

/** Write a piece at its offset; what was there from it on is replaced. */
export function addPiece(runs: Runs, { offset, text }: Pick<Ephemeral, "offset" | "text">): Runs {
  const kept = runs.filter((run) => run.offset < offset).map((run) => cut(run, offset));
  const last = kept.at(-1);
  const length = codePoints(text);
  if (last === undefined || last.offset + last.length < offset) {
    return [...kept, { offset, length, text }];
  }
  const joined = { ...last, length: last.length + length, text: last.text + text };
  return [...kept.slice(0, -1), joined];
}

/** The text, with … for each hole. */
export function passingText(runs: Runs): string {
  return runs
    .map((run, place) => (place > 0 || run.offset > 0 ? `…${run.text}` : run.text))
    .join("");
}

/** How many characters are missing. */
export function missingCharacters(runs: Runs): number {
  const last = runs.at(-1);
  const present = runs.reduce((sum, run) => sum + run.length, 0);
  return last === undefined ? 0 : last.offset + last.length - present;
}

function cut(run: Run, end: number): Run {
  if (run.offset + run.length <= end) return run;
  const length = end - run.offset;
  return { ...run, length, text: [...run.text].slice(0, length).join("") };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
