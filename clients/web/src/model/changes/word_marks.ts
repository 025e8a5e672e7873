// Which words of a changed line are different. Lazily loaded: it brings the diff library.
import { diffWordsWithSpace } from "diff";
import type { DiffLine } from "./diff.ts";

/** From and to, in characters (UTF-16) of the line's text. */
export type Mark = readonly [from: number, to: number];

const MAX_CHARACTERS = 400;
/** A pair that shares less than this is not one line changed, but two lines. */
const MIN_SHARED = 0.3;

/**
 * Return the marks of each line, by its place in the hunk. Lines are paired where as many are added
 * as removed in one go; longer ones than 400 characters have none.
 */
export function wordMarks(lines: readonly DiffLine[]): ReadonlyMap<number, readonly Mark[]> {
  const marks = new Map<number, readonly Mark[]>();
  let place = 0;
  while (place < lines.length) {
    const removed = run(lines, place, "removed");
    const added = run(lines, place + removed, "added");
    if (removed > 0 && removed === added) {
      for (let each = 0; each < removed; each++) {
        const [old, now] = [place + each, place + removed + each];
        const found = pairMarks(lines[old]!.text, lines[now]!.text);
        if (found !== null) marks.set(old, found[0]).set(now, found[1]);
      }
    }
    place += Math.max(1, removed + added);
  }
  return marks;
}

function run(lines: readonly DiffLine[], from: number, kind: DiffLine["kind"]): number {
  let end = from;
  while (lines[end]?.kind === kind) end += 1;
  return end - from;
}

/** Return the marks of an old and a new line; null where marks would not help. */
export function pairMarks(old: string, now: string): readonly [Mark[], Mark[]] | null {
  if (old.length > MAX_CHARACTERS || now.length > MAX_CHARACTERS) return null;
  const [oldMarks, newMarks]: [Mark[], Mark[]] = [[], []];
  let [oldPlace, newPlace, shared] = [0, 0, 0];
  for (const part of diffWordsWithSpace(old, now)) {
    const length = part.value.length;
    if (part.removed) oldMarks.push([oldPlace, oldPlace + length]);
    else if (part.added) newMarks.push([newPlace, newPlace + length]);
    else shared += part.value.trim().length;
    if (!part.added) oldPlace += length;
    if (!part.removed) newPlace += length;
  }
  const longest = Math.max(old.trim().length, now.trim().length);
  return longest > 0 && shared / longest < MIN_SHARED ? null : [oldMarks, newMarks];
}
