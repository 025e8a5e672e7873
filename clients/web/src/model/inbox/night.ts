// The night's sum: what became of all tasks since last evening, in one screen, from the list's lines.

import { plainLine } from "../plain.ts";
import { ENGLISH } from "../words/english.ts";
import { dayNumber, hourOf, milliseconds, money } from "../words/numbers.ts";
import { askLine, type Line, lineWords } from "./inbox.ts";

const HOUR = 3_600_000;
const EVENING_HOUR = 18;
const MORNING_HOURS = [4, 12] as const;

export interface NightLine {
  readonly task: string;
  readonly version: number;
  readonly kind: "waiting" | "failed" | "finished" | "cancelled" | "working";
  readonly isGood: boolean;
  /** "Fix the slug: finished: pull request #7 · 6 hours ago". */
  readonly sentence: string;
}

export interface NightSum {
  readonly title: string;
  /** "3 finished, 1 failed, 1 waits for you, 2 pull requests, $1.20". */
  readonly sentence: string;
  /** Money of the tasks below; of each from its beginning, as lines know no more. */
  readonly costMicrousd: number;
  readonly lines: readonly NightLine[];
}

const ORDER: readonly NightLine["kind"][] = [
  "waiting",
  "failed",
  "finished",
  "cancelled",
  "working",
];

/** Return the sum of what changed since the evening before and was not seen; null: nothing, or not morning. */
export function nightsSum(
  lines: Iterable<Line>,
  seen: ReadonlyMap<string, number>,
  now: number,
  zone?: string,
): NightSum | null {
  if (!isMorning(now, zone)) return null;
  return sumSince(lines, seen, { since: lastEvening(now, zone), now, ...(zone ? { zone } : {}) });
}

/** The same since any time. */
export function sumSince(
  lines: Iterable<Line>,
  seen: ReadonlyMap<string, number>,
  span: { readonly since: number; readonly now: number; readonly zone?: string },
): NightSum | null {
  const changed = [...lines].filter(
    (line) =>
      !line.is_archived &&
      line.version > (seen.get(line.task) ?? 0) &&
      milliseconds(line.updated_at) >= span.since,
  );
  if (changed.length === 0) return null;
  const told = changed
    .map((line) => ({ line, kind: kindOf(line) }))
    .sort(
      (one, other) =>
        ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind) || newer(one.line, other.line),
    );
  const costMicrousd = changed.reduce((sum, line) => sum + line.cost_microusd, 0);
  return {
    title: ENGLISH.sinceEvening,
    sentence: [
      ...counts(
        told.map(({ kind }) => kind),
        changed,
      ),
      money(costMicrousd),
    ].join(", "),
    costMicrousd,
    lines: told.map(({ line, kind }) => ({
      task: line.task,
      version: line.version,
      kind,
      isGood: kind !== "failed" && kind !== "waiting",
      sentence: `${named(line)}: ${kind === "waiting" ? askLine(line) : lineWords(line, span)}`,
    })),
  };
}

/** The title before a colon: without a full stop of its own. */
function named(line: Line): string {
  return plainLine(line.title, 80).replace(/[.:;,]+$/, "");
}

function counts(kinds: readonly NightLine["kind"][], lines: readonly Line[]): readonly string[] {
  const number = (kind: NightLine["kind"]) => kinds.filter((each) => each === kind).length;
  const opened = lines.filter((line) => line.pull_request).length;
  return [
    [number("waiting"), ENGLISH.nightWaiting] as const,
    [number("failed"), ENGLISH.nightFailed] as const,
    [number("finished"), ENGLISH.nightFinished] as const,
    [number("cancelled"), ENGLISH.nightCancelled] as const,
    [number("working"), ENGLISH.nightWorking] as const,
    [opened, ENGLISH.nightOpened] as const,
  ]
    .filter(([count]) => count > 0)
    .map(([count, words]) => words(count));
}

function kindOf(line: Line): NightLine["kind"] {
  if (line.phase === "finished" || line.phase === "failed" || line.phase === "cancelled")
    return line.phase;
  return line.phase === "waiting" && line.waiting !== "provider" ? "waiting" : "working";
}

function newer(one: Line, other: Line): number {
  return milliseconds(other.updated_at) - milliseconds(one.updated_at);
}

function isMorning(now: number, zone?: string): boolean {
  const hour = hourOf(now, zone);
  return hour >= MORNING_HOURS[0] && hour < MORNING_HOURS[1];
}

/** Six in the evening of the day before, where the person is. */
export function lastEvening(now: number, zone?: string): number {
  const today = dayNumber(now, zone);
  let at = now;
  while (dayNumber(at, zone) === today) at -= HOUR;
  while (hourOf(at, zone) > EVENING_HOUR) at -= HOUR;
  return at - (at % HOUR);
}
