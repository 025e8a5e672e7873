// What the task asks now, and a request by its name, among the rows of its story.

import type { AskRow } from "../../../model/asks/receipts.ts";
import type { CommandOp, Receipt } from "../../../model/protocol/receipt.ts";
import type { Row, Story } from "../../../model/story/rows.ts";

/** The request by which the budget is asked about: it has none of its own. */
export const BUDGET = "budget";

export function findAsk(story: Story, request: string): AskRow | null {
  return (story.rows.findLast((row) => isAsk(row) && row.request === request) as AskRow) ?? null;
}

/** The ask that nobody has answered; of several the newest. */
export function openAsk(story: Story): AskRow | null {
  const found = story.rows.findLast(
    (row) => isAsk(row) && row.answer === null && row.closed === "",
  );
  return (found as AskRow | undefined) ?? null;
}

function isAsk(row: Row): row is AskRow {
  return row.kind === "approval" || row.kind === "question";
}

/** The newest command of a kind that this device gave to a task. */
export function commandReceipt(
  receipts: ReadonlyMap<string, Receipt>,
  task: string,
  wanted: CommandOp,
): Receipt | null {
  let found: Receipt | null = null;
  for (const receipt of receipts.values()) {
    const { op, task: of } = receipt.command;
    if (op === wanted && of === task) found = receipt;
  }
  return found;
}
