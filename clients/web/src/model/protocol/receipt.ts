// What is known of a command the person gave: kept here, sent, in the log, acted on, or refused.
import type { CommandArguments, Problem } from "../generated/api.gen.ts";
import type { StoredEvent } from "../generated/events.gen.ts";

export type CommandId = string;
export type CommandOp = keyof CommandArguments;

/** A command as the outbox keeps it. `task` is empty for a submit; times are Unix milliseconds. */
export interface Command<Op extends CommandOp = CommandOp> {
  readonly id: CommandId;
  readonly op: Op;
  readonly task: string;
  readonly args: CommandArguments[Op];
  readonly at: number;
  /** The draft this came from: it dies when the command is acknowledged. */
  readonly draft?: string;
  /** Images of that draft are to be uploaded first. */
  readonly hasImages?: true;
}

/**
 * `at` is when it was given, in Unix milliseconds; `loggedAt` as the event has it. What is "keeping"
 * is shown and not stored yet.
 */
export type Receipt = {
  readonly command: Command;
  readonly at: number;
} & (
  | { readonly state: "keeping" | "kept" }
  | { readonly state: "sent"; readonly problem: Problem | null }
  | {
      readonly state: "logged";
      readonly task: string;
      readonly version: number;
      readonly loggedAt: string | null;
    }
  | {
      readonly state: "acted";
      readonly task: string;
      readonly version: number;
      readonly loggedAt: string;
      readonly actedAt: number;
    }
  | { readonly state: "refused"; readonly problem: Problem }
);

/** It has not left this device, or was not answered. */
export function isOnItsWay({ state }: Receipt): boolean {
  return state === "keeping" || state === "kept" || state === "sent";
}

const ACTORS = /^(worker|scheduler)\b/;

/** The receipt after events of its task: when the command was logged, and what acted on it first. */
export function receiptAfter(receipt: Receipt, events: readonly StoredEvent[]): Receipt {
  if (receipt.state !== "logged") return receipt;
  const { command, at, task, version } = receipt;
  let { loggedAt } = receipt;
  for (const event of events) {
    if (event.task !== task || event.version < version) continue;
    if (event.version === version) loggedAt = event.at;
    else if (ACTORS.test(event.by)) {
      const acted = { loggedAt: loggedAt ?? event.at, actedAt: event.version };
      return { command, at, state: "acted", task, version, ...acted };
    }
  }
  return loggedAt === receipt.loggedAt ? receipt : { ...receipt, loggedAt };
}
