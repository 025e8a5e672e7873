// What the person asks to be done: into the outbox first, then on the line, in order.
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Api, ProblemError } from "../line/api.ts";
import type { ServerItem } from "../line/stream.ts";
import { longCommandPath, needsHttp } from "../model/asks/long_command.ts";
import type { CommandArguments, CommandResult, Problem } from "../model/generated/api.gen.ts";
import type { StoredEvent } from "../model/generated/events.gen.ts";
import type { Ack, Cmd, FromDevice, Nak } from "../model/generated/frames.gen.ts";
import {
  answered,
  begin,
  dueAt,
  keep,
  next,
  type Outbox,
  remove,
  replace,
  startOutbox,
} from "../model/protocol/outbox.ts";
import type { Command, CommandId, CommandOp, Receipt } from "../model/protocol/receipt.ts";
import { receiptAfter } from "../model/protocol/receipt.ts";
import type { Store } from "../store/store.ts";
import type { DraftFeed } from "./device/drafts.ts";
import { withImages } from "./device/images.ts";
import type { WriteQueue } from "./device/write_queue.ts";

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
  /** Take a command back that was not sent yet, or put a refusal away. False: it is too late. */
  withdraw(id: CommandId): Promise<boolean>;
  readonly receipts: ReadonlySignal<ReadonlyMap<CommandId, Receipt>>;
}

/** What the line tells the outbox. */
export interface CommandFeed {
  take(items: readonly ServerItem[]): void;
  /** Events of an open task: a receipt may be in them. */
  takeEvents(events: readonly StoredEvent[]): void;
  connected(): void;
  load(): Promise<void>;
  clear(): void;
}

export interface CommandParts {
  readonly api: Api;
  readonly store: Store;
  readonly writes: WriteQueue;
  readonly drafts: DraftFeed;
  readonly send: (frame: FromDevice) => boolean;
  readonly isLive: () => boolean;
  /** The connection is dead, whatever it says: begin another. */
  readonly reconnect: () => void;
  readonly now: () => number;
  readonly newId: () => CommandId;
}

const MAX_RECEIPTS = 100;
const MAX_RECENT_EVENTS = 200;
/** A command that is not answered for so long went into a dead connection: it is sent on another. */
const ANSWER_MS = 8000;

export function createCommands(parts: CommandParts): Commands & CommandFeed {
  const { store, writes, drafts, now } = parts;
  const receipts = signal<ReadonlyMap<CommandId, Receipt>>(new Map());
  let outbox: Outbox = startOutbox([]);
  let recent: readonly StoredEvent[] = []; // an event may come before the answer
  let preparing: CommandId | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let patience: ReturnType<typeof setTimeout> | undefined;

  function note(receipt: Receipt): void {
    const noted = new Map(receipts.peek()).set(receipt.command.id, receipt);
    for (const [id, { state }] of noted) {
      if (noted.size <= MAX_RECEIPTS) break;
      if (state === "acted") noted.delete(id);
    }
    receipts.value = noted;
  }

  function pump(): void {
    clearTimeout(timer);
    const due = dueAt(outbox);
    if (due === null || !parts.isLive()) return;
    const first = outbox.queue[0];
    if (first?.hasImages && now() >= due) {
      void prepare(first);
      return;
    }
    const [after, command] = next(outbox, now());
    if (command === null) {
      timer = setTimeout(pump, Math.max(0, due - now()));
      return;
    }
    outbox = after;
    note({ command, at: command.at, state: "sent", problem: null });
    const { id, op, task, args } = command;
    const frame: Cmd = { t: "cmd", id, op, task, args };
    if (needsHttp(frame)) void sendOverHttp(command);
    else {
      parts.send(frame);
      patience = setTimeout(() => {
        if (outbox.sent === id && parts.isLive()) parts.reconnect();
      }, ANSWER_MS);
    }
  }

  /** Upload its images; then it is sent as any other. */
  async function prepare(command: Command): Promise<void> {
    if (preparing === command.id) return;
    preparing = command.id;
    note({ command, at: command.at, state: "sent", problem: null });
    try {
      const ready = await withImages(parts.api, store, command);
      preparing = null;
      if (!outbox.queue.includes(command)) return; // signed out meanwhile
      writes.add(() => store.putCommand(ready));
      outbox = replace(outbox, ready);
      pump();
    } catch (error) {
      preparing = null;
      if (!(error instanceof ProblemError)) throw error;
      settle({ t: "nak", id: command.id, problem: error.problem });
    }
  }

  async function sendOverHttp(command: Command): Promise<void> {
    const { id, args } = command;
    try {
      const [path, body] = longCommandPath(command, args);
      const answer = await parts.api.post<CommandResult>(path, body, { "Idempotency-Key": id });
      settle({ t: "ack", id, ...answer });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      settle({ t: "nak", id, problem: error.problem });
    }
  }

  function settle(answer: Ack | Nak): void {
    clearTimeout(patience);
    const command = outbox.queue.find((each) => each.id === answer.id);
    const [after, outcome] = answered(outbox, answer, now(), Math.random());
    outbox = after;
    if (command !== undefined) {
      if (outcome.kind === "later") {
        note({ command, at: command.at, state: "sent", problem: outcome.problem });
      } else finish(command, outcome.kind === "logged" ? (answer as Ack) : null, answer);
    }
    pump();
  }

  function finish(command: Command, ack: Ack | null, answer: Ack | Nak): void {
    writes.add(() => store.deleteCommand(command.id));
    const at = command.at;
    if (ack !== null) {
      drafts.acknowledge(command.id);
      const { task, version } = ack;
      note(receiptAfter({ command, at, state: "logged", task, version, loggedAt: null }, recent));
      return;
    }
    if (command.draft !== undefined) drafts.giveBack(command.draft, command.id);
    const problem = (answer as { problem: Problem }).problem;
    note({ command, at, state: "refused", problem });
  }

  return {
    receipts,
    send(op, task, args, options = {}) {
      const { draft } = options;
      const id = parts.newId();
      const words: Command = { id, op, task, args, at: now() };
      const hasImages = draft !== undefined && drafts.hasImages(draft);
      const command: Command = {
        ...words,
        ...(draft === undefined ? {} : { draft }),
        ...(hasImages ? { hasImages } : {}),
      };
      note({ command, at: command.at, state: "keeping" });
      const stored = writes.add(() => store.putCommand(command));
      if (draft !== undefined) drafts.send(draft, id);
      void Promise.all([stored, writes.settled()]).then(([isStored]) => {
        if (!receipts.peek().has(command.id)) return; // signed out
        if (isStored) note({ command, at: command.at, state: "kept" });
        outbox = keep(outbox, command);
        pump();
      });
      return command.id;
    },
    async withdraw(id) {
      const receipt = receipts.peek().get(id);
      if (receipt === undefined || outbox.sent === id) return false;
      if (receipt.state !== "kept" && receipt.state !== "refused") return false;
      const { command } = receipt;
      outbox = remove(outbox, id);
      const left = new Map(receipts.peek());
      left.delete(id);
      receipts.value = left;
      writes.add(() => store.deleteCommand(id));
      if (receipt.state === "kept" && command.draft) drafts.giveBack(command.draft, id);
      await writes.settled();
      return true;
    },
    take(items) {
      for (const item of items) {
        if ("t" in item && (item.t === "ack" || item.t === "nak")) settle(item);
      }
    },
    takeEvents(events) {
      recent = [...recent, ...events].slice(-MAX_RECENT_EVENTS);
      for (const receipt of receipts.peek().values()) {
        const after = receiptAfter(receipt, events);
        if (after !== receipt) note(after);
      }
    },
    connected() {
      outbox = begin(outbox);
      pump();
    },
    async load() {
      const queue = await store.outbox();
      const added = outbox.queue.filter((each) => !queue.some(({ id }) => id === each.id));
      outbox = { ...outbox, queue: [...queue, ...added] };
      for (const command of queue) {
        if (!receipts.peek().has(command.id)) note({ command, at: command.at, state: "kept" });
      }
      pump();
    },
    clear() {
      clearTimeout(timer);
      outbox = startOutbox([]);
      receipts.value = new Map();
    },
  };
}
