// What the person asks to be done: into the outbox first, then on the line, in order.
import type { ReadonlySignal } from "@preact/signals";
import type { CommandArguments } from "../model/api.gen.ts";
import type { CommandId, CommandOp, Receipt } from "../model/receipt.ts";

export interface SendOptions {
  /** The key of the draft this came from: it dies when the command is acknowledged. */
  readonly draft?: string;
}

export interface Commands {
  /** `task` is empty for a submit. The id is the receipt's. */
  send<Op extends CommandOp>(
    op: Op,
    task: string,
    args: CommandArguments[Op],
    options?: SendOptions,
  ): CommandId;
  /** Take a command back that was not sent yet. False when it is too late. */
  withdraw(id: CommandId): Promise<boolean>;
  readonly receipts: ReadonlySignal<ReadonlyMap<CommandId, Receipt>>;
}
