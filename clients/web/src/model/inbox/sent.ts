// What was sent from this device and has not arrived yet, in words for the list. Pure.

import { answerTo, receiptSentence } from "../asks/receipts.ts";
import type { ForkRequest, TaskRequest } from "../generated/api.gen.ts";
import { plainLine } from "../plain.ts";
import { type CommandId, isOnItsWay, type Receipt } from "../protocol/receipt.ts";

export type Receipts = ReadonlyMap<CommandId, Receipt>;

/** A task that was sent from here and is not in the list yet. */
export interface SentTask {
  readonly id: CommandId;
  readonly title: string;
  readonly sentence: string;
  readonly isRefused: boolean;
  /** It has not left this device, or was refused: it can be taken out. */
  readonly canWithdraw: boolean;
}

/** How many commands have not left this device, or not been answered. */
export function unsentCount(receipts: Receipts): number {
  return [...receipts.values()].filter(isOnItsWay).length;
}

/** The tasks on their way, oldest first. `known`: the tasks that the list has. */
export function sentTasks(receipts: Receipts, known: ReadonlySet<string>): readonly SentTask[] {
  const found: SentTask[] = [];
  for (const [id, receipt] of receipts) {
    if (receipt.command.op !== "submit" && receipt.command.op !== "fork") continue;
    if ((receipt.state === "logged" || receipt.state === "acted") && known.has(receipt.task)) {
      continue;
    }
    const { prompt } = receipt.command.args as TaskRequest | ForkRequest;
    found.push({
      id,
      title: plainLine(prompt, 80),
      sentence: receiptSentence(receipt),
      isRefused: receipt.state === "refused",
      canWithdraw: receipt.state === "kept" || receipt.state === "refused",
    });
  }
  return found;
}

/** What became of the answer to a request; empty while none was given here. */
export function answerSentence(receipts: Receipts, task: string, request: string): string {
  const last = answerTo(receipts, task, request);
  return last === null ? "" : receiptSentence(last);
}
