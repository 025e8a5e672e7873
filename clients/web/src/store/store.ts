// What the app keeps on this device, so that it opens at once and without a network.
import type { TaskState } from "../model/generated/api.gen.ts";
import type { StoredEvent } from "../model/generated/events.gen.ts";
import type { Line } from "../model/generated/frames.gen.ts";
import type { Command, CommandId } from "../model/protocol/receipt.ts";

/** A fold is kept at every such version, so that no state is far from one. */
export const FOLD_INTERVAL = 500;

/** Which events of a task are here: `first` to `cursor`, dense. Times are Unix milliseconds. */
export interface StoredTask {
  readonly task: string;
  readonly first: number;
  readonly cursor: number;
  readonly bytes: number;
  readonly usedAt: number;
}

export interface StoredFold {
  readonly task: string;
  readonly version: number;
  readonly state: TaskState;
}

/** News of one task: the events after its cursor, and folds within them. */
export interface TaskBatch {
  readonly task: string;
  readonly events: readonly StoredEvent[];
  readonly folds: readonly StoredFold[];
}

/** What one frame brought: stored in one transaction. */
export interface Batch {
  readonly tasks: readonly TaskBatch[];
  readonly lines: readonly Line[];
}

export interface StoredDraft {
  readonly key: string;
  readonly text: string;
  readonly images: readonly { readonly id: string; readonly name: string }[];
  readonly at: number;
}

export interface Limits {
  readonly tasks: number;
  readonly bytes: number;
}

export const LIMITS: Limits = { tasks: 200, bytes: 50 * 1024 * 1024 };

/** The twin in memory and the one in IndexedDB pass the same tests. */
export interface Store {
  /** Throws NotDense when events do not follow the cursor: nothing is stored then. */
  write(batch: Batch, now: number): Promise<void>;
  /** Begin a task in its middle: the events after `after` will be written. A state comes with it. */
  startTask(fold: StoredFold, after: number, now: number): Promise<void>;
  /** Older events, up to the one before `first`: any others are not stored. */
  prepend(task: string, events: readonly StoredEvent[]): Promise<void>;
  task(task: string): Promise<StoredTask | null>;
  touch(task: string, now: number): Promise<void>;
  /** Events of the versions after `after`, up to and with `until`. */
  events(task: string, after: number, until: number): Promise<StoredEvent[]>;
  /** The newest fold at or below a version. */
  fold(task: string, version: number): Promise<StoredFold | null>;
  /** Forget all that is kept of a task but drafts and commands. */
  forget(task: string): Promise<void>;

  lines(): Promise<Line[]>;

  draft(key: string): Promise<StoredDraft | null>;
  putDraft(draft: StoredDraft): Promise<void>;
  /** Its images go with it. */
  deleteDraft(key: string): Promise<void>;
  /** Give a draft another key; where one is already, the text of both is kept. */
  moveDraft(from: string, to: string, now: number): Promise<void>;
  blob(id: string): Promise<Blob | null>;
  putBlob(id: string, blob: Blob): Promise<void>;
  deleteBlob(id: string): Promise<void>;

  /** In the order of their ids, which is the order of sending. */
  outbox(): Promise<Command[]>;
  putCommand(command: Command): Promise<void>;
  deleteCommand(id: CommandId): Promise<void>;

  seen(): Promise<Map<string, number>>;
  /** A cursor only grows. */
  putSeen(cursors: ReadonlyMap<string, number>): Promise<void>;

  /** Forget the events of the tasks used longest ago, until the limits hold. */
  prune(limits: Limits, open: ReadonlySet<string>): Promise<void>;
  /** Forget everything, drafts and commands too. */
  wipe(): Promise<void>;
}

/** What is written at once: more of it would hold up a slow phone, and what its person does. */
export const SLICE_EVENTS = 25;

/** The same in parts that are written one after the other; each is whole by itself. */
export function slicesOf({ tasks, lines }: Batch): readonly Batch[] {
  const slices = tasks.flatMap(({ task, events, folds }) => {
    const parts: TaskBatch[] = [];
    for (let start = 0; start < events.length; start += SLICE_EVENTS) {
      const some = events.slice(start, start + SLICE_EVENTS);
      const [first, last] = [some[0]!.version, some.at(-1)!.version];
      const own = folds.filter(({ version }) => version >= first && version <= last);
      parts.push({ task, events: some, folds: own });
    }
    return parts;
  });
  const batches = slices.map((slice) => ({ tasks: [slice], lines: [] as readonly Line[] }));
  return lines.length > 0 ? [...batches, { tasks: [], lines }] : batches;
}

export class NotDense extends Error {
  override readonly name = "NotDense";
}

/** One draft of two, the one that moves in first. */
export function joinDrafts(
  key: string,
  moved: StoredDraft,
  there: StoredDraft | null,
  now: number,
) {
  const texts = [moved.text, there?.text ?? ""].filter((text) => text !== "");
  const images = [...moved.images, ...(there?.images ?? [])];
  return { key, text: texts.join("\n\n"), images, at: now } satisfies StoredDraft;
}

/** The events that are new after a cursor. Throws NotDense on a gap. */
export function newEvents(cursor: number, events: readonly StoredEvent[]): readonly StoredEvent[] {
  const fresh = events.filter((event) => event.version > cursor);
  fresh.forEach((event, place) => {
    const wanted = cursor + 1 + place;
    if (event.version !== wanted) {
      throw new NotDense(`version ${event.version} of ${event.task} where ${wanted} is next`);
    }
  });
  return fresh;
}

/** The record of a task after new events. */
export function grown(
  task: string,
  before: StoredTask | null,
  events: readonly StoredEvent[],
  now: number,
): StoredTask {
  const cursor = events.at(-1)?.version ?? before?.cursor ?? 0;
  return {
    task,
    first: before?.first ?? 1,
    cursor,
    bytes: (before?.bytes ?? 0) + sizeOf(events),
    usedAt: Math.max(before?.usedAt ?? 0, now),
  };
}

/** The tasks whose events are to be forgotten, so that the limits hold. */
export function beyondLimits(
  tasks: readonly StoredTask[],
  limits: Limits,
  open: ReadonlySet<string>,
): string[] {
  const newest = [...tasks].sort((one, other) => other.usedAt - one.usedAt);
  let bytes = 0;
  return newest
    .filter((task, place) => {
      bytes += task.bytes;
      return (place >= limits.tasks || bytes > limits.bytes) && !open.has(task.task);
    })
    .map((task) => task.task);
}

export function sizeOf(events: readonly StoredEvent[]): number {
  return events.reduce((sum, event) => sum + JSON.stringify(event).length, 0);
}
