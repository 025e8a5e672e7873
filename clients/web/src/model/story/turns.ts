// A story as it is shown: finished and seen turns are one line each, with a line where the new begins.
import type { Row } from "./rows.ts";
import type { Story } from "./story.ts";

/** How much of each thing happened. `seconds`: of tool calls. */
export interface TurnCounts {
  readonly read: number;
  readonly searched: number;
  readonly edited: number;
  readonly commands: number;
  readonly others: number;
  readonly failed: number;
  readonly questions: number;
  readonly approvals: number;
  readonly messages: number;
  readonly seconds: number;
}

/** A finished turn in one line: what the agent did between two messages of a person. */
export interface TurnItem {
  readonly kind: "turn";
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly at: string;
  readonly rows: readonly Row[];
  readonly counts: TurnCounts;
}

export interface DividerItem {
  readonly kind: "divider";
  readonly key: "unread";
  /** The first version below it. */
  readonly from: number;
}

export type StoryItem = Row | TurnItem | DividerItem;

export interface FoldOptions {
  /** The last version seen; rows that reach beyond it are new. */
  readonly seen: number;
  /** Keys of turns that the person unfolded. */
  readonly unfolded?: ReadonlySet<string>;
}

const BOUNDARIES: ReadonlySet<Row["kind"]> = new Set(["person", "end"]);
const MIN_ROWS = 2;

/** Return what the list shows: rows, folded turns, and the unread divider. */
export function foldStory(story: Story, options: FoldOptions): readonly StoryItem[] {
  const items: StoryItem[] = [];
  let turn: Row[] = [];
  for (const row of story.rows) {
    if (!BOUNDARIES.has(row.kind)) {
      turn.push(row);
      continue;
    }
    items.push(...folded(turn, options), row);
    turn = [];
  }
  items.push(...turn); // what is going on is never folded
  return withDivider(items, options.seen);
}

function folded(rows: readonly Row[], options: FoldOptions): readonly StoryItem[] {
  const key = rows.length > 0 ? `turn-${rows[0]!.key}` : "";
  const isNew = rows.some((row) => row.to > options.seen);
  const isOpen = rows.some((row) => isWaiting(row));
  if (rows.length < MIN_ROWS || isNew || isOpen || options.unfolded?.has(key)) return rows;
  const kept = rows.filter((row) => row.kind === "delivery");
  const inside = rows.filter((row) => row.kind !== "delivery");
  if (inside.length < MIN_ROWS) return rows;
  const first = inside[0]!;
  const to = Math.max(...inside.map((row) => row.to));
  const counts = turnCounts(inside);
  return [{ kind: "turn", key, from: first.from, to, at: first.at, rows: inside, counts }, ...kept];
}

function isWaiting(row: Row): boolean {
  if (row.kind === "budget") return row.raised === null;
  if (row.kind !== "question" && row.kind !== "approval") return false;
  return row.answer === null && row.closed === "";
}

function withDivider(items: StoryItem[], seen: number): readonly StoryItem[] {
  if (seen <= 0) return items;
  const place = items.findIndex((item) => item.kind !== "divider" && item.from > seen);
  if (place <= 0) return items;
  const divider: DividerItem = { kind: "divider", key: "unread", from: items[place]!.from };
  return [...items.slice(0, place), divider, ...items.slice(place)];
}

const TOOLS: Readonly<Record<string, "read" | "searched" | "edited" | "commands">> = {
  read: "read",
  glob: "searched",
  grep: "searched",
  edit: "edited",
  write: "edited",
  bash: "commands",
};

/** Count what rows hold. */
export function turnCounts(rows: readonly Row[]): TurnCounts {
  const counts = {
    read: 0,
    searched: 0,
    edited: 0,
    commands: 0,
    others: 0,
    failed: 0,
    questions: 0,
    approvals: 0,
    messages: 0,
    seconds: 0,
  };
  for (const row of rows) {
    if (row.kind === "question") counts.questions += 1;
    if (row.kind === "approval") counts.approvals += 1;
    if (row.kind === "agent") counts.messages += 1;
    if (row.kind !== "tools") continue;
    for (const call of row.calls) {
      counts[TOOLS[call.tool] ?? "others"] += 1;
      counts.seconds += call.seconds;
      if (call.state === "failed") counts.failed += 1;
    }
  }
  return counts;
}

/** Return the place of the item that holds a version: where a link to it opens. */
export function findVersion(items: readonly StoryItem[], version: number): number {
  for (let place = items.length - 1; place >= 0; place--) {
    const item = items[place]!;
    if (item.kind !== "divider" && item.from <= version) return place;
  }
  return 0;
}
