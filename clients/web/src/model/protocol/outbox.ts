// Which command to send, and when: one at a time, in order, until each is answered.
import type { Problem } from "../generated/api.gen.ts";
import type { Ack, Nak } from "../generated/frames.gen.ts";
import type { Command, CommandId } from "./receipt.ts";
import { pauseMs } from "./reconnect.ts";

/** The gateway takes 20 commands a second. */
const INTERVAL_MS = 60;

/** `queue` is in the order of sending. Times are in milliseconds, of any clock that only grows. */
export interface Outbox {
  readonly queue: readonly Command[];
  readonly sent: CommandId | null;
  readonly naks: number;
  readonly notBefore: number;
}

export type Outcome =
  | {
      readonly kind: "logged";
      readonly id: CommandId;
      readonly task: string;
      readonly version: number;
    }
  | { readonly kind: "refused"; readonly id: CommandId; readonly problem: Problem }
  | { readonly kind: "later"; readonly id: CommandId; readonly problem: Problem };

export function startOutbox(queue: readonly Command[]): Outbox {
  return { queue, sent: null, naks: 0, notBefore: 0 };
}

/** Add a command at the end; one that is there keeps its place. */
export function keep(outbox: Outbox, command: Command): Outbox {
  if (outbox.queue.some((each) => each.id === command.id)) return outbox;
  return { ...outbox, queue: [...outbox.queue, command] };
}

/** Begin a new connection: the command that was not answered is sent again. */
export function begin(outbox: Outbox): Outbox {
  return { ...outbox, sent: null };
}

/** When to call `next`; null while there is nothing to send. */
export function dueAt(outbox: Outbox): number | null {
  return outbox.sent === null && outbox.queue.length > 0 ? outbox.notBefore : null;
}

export function next(outbox: Outbox, now: number): readonly [Outbox, Command | null] {
  const due = dueAt(outbox);
  const first = outbox.queue[0];
  if (due === null || now < due || first === undefined) return [outbox, null];
  return [{ ...outbox, sent: first.id, notBefore: now + INTERVAL_MS }, first];
}

/** Handle an answer: a final one takes the command out, others send it again later. */
export function answered(
  outbox: Outbox,
  answer: Ack | Nak,
  now: number,
  chance: number,
): readonly [Outbox, Outcome] {
  const { id } = answer;
  const sent = outbox.sent === id ? null : outbox.sent;
  if (answer.t === "nak" && answer.problem.retryable) {
    const naks = outbox.naks + 1;
    const notBefore = now + pauseMs(naks, 0, chance);
    return [
      { ...outbox, sent, naks, notBefore },
      { kind: "later", id, problem: answer.problem },
    ];
  }
  const done = { ...remove(outbox, id), sent, naks: 0 };
  if (answer.t === "nak") return [done, { kind: "refused", id, problem: answer.problem }];
  return [done, { kind: "logged", id, task: answer.task, version: answer.version }];
}

export function remove(outbox: Outbox, id: CommandId): Outbox {
  return { ...outbox, queue: outbox.queue.filter((each) => each.id !== id) };
}

/** Put a command in the place of the one with its id. */
export function replace(outbox: Outbox, command: Command): Outbox {
  return {
    ...outbox,
    queue: outbox.queue.map((each) => (each.id === command.id ? command : each)),
  };
}
