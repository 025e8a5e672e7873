// What the list of a story shows: its rows, and around them what is not in the log (yet).
import type { Receipt } from "../../../model/protocol/receipt.ts";
import type { StoryItem } from "../../../model/story/rows.ts";
import type { Passing } from "../../../state/tasks/tasks.ts";

/** A command of this device that the log does not have yet, or that was refused. */
export interface PendingItem {
  readonly kind: "pending";
  readonly key: string;
  readonly receipt: Receipt;
}

export interface PassingItem {
  readonly kind: "passing";
  readonly key: string;
  readonly piece: Passing;
}

export interface AwayItem {
  readonly kind: "away";
  readonly key: "away";
}

export type ListItem = StoryItem | PendingItem | PassingItem | AwayItem;

interface ListInput {
  readonly items: readonly StoryItem[];
  readonly receipts: Iterable<Receipt>;
  readonly passing: ReadonlyMap<string, Passing>;
  readonly task: string;
  readonly through: number;
}

export function listItems(input: ListInput): readonly ListItem[] {
  const list: ListItem[] = [];
  for (const item of input.items) {
    if (item.kind === "divider") list.push({ kind: "away", key: "away" });
    list.push(item);
  }
  for (const piece of input.passing.values()) {
    if (piece.kind === "output") continue; // it stands in the row of its call
    list.push({ kind: "passing", key: `passing ${piece.block}`, piece });
  }
  for (const receipt of input.receipts) {
    if (receipt.command.task !== input.task || isInLog(receipt, input.through)) continue;
    list.push({ kind: "pending", key: `pending ${receipt.command.id}`, receipt });
  }
  return list;
}

function isInLog(receipt: Receipt, through: number): boolean {
  if (receipt.state === "acted") return true;
  return receipt.state === "logged" && receipt.version <= through;
}

/** The first version of an item; 0 for what is not in the log. */
export function versionOf(item: ListItem): number {
  return "from" in item ? item.from : 0;
}

const HEIGHTS: Readonly<Partial<Record<ListItem["kind"], number>>> = {
  person: 96,
  agent: 140,
  tools: 52,
  turn: 52,
  plan: 96,
  question: 240,
  approval: 64,
  end: 320,
  away: 72,
  divider: 40,
};
const USUAL_PX = 52;
const LINE_PX = 24;
const CHARACTERS_PER_LINE = 42;

/** About how high an item is, before it has been drawn once. */
export function guessHeight(item: ListItem): number {
  if (item.kind === "agent" || item.kind === "person") {
    return 40 + LINE_PX * Math.ceil(item.text.length / CHARACTERS_PER_LINE);
  }
  return HEIGHTS[item.kind] ?? USUAL_PX;
}
