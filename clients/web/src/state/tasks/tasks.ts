// Open tasks: their events, their state, and what passes while it happens.
import type { ReadonlySignal } from "@preact/signals";
import type { ServerItem } from "../../line/stream.ts";
import type { Problem, TaskState } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import type { Subscription } from "../../model/generated/frames.gen.ts";
import type { Following } from "../../model/protocol/following.ts";
import type { Story } from "../../model/story/rows.ts";
import type { TaskBatch } from "../../store/store.ts";
import { OpenTask, type OpenTaskParts } from "./open_task.ts";
import type { Passing } from "./passing.ts";

export type { Following } from "../../model/protocol/following.ts";
export type { Passing } from "./passing.ts";

/** A task as it stood at a version, with the events before it. */
export interface PastView {
  readonly version: number;
  readonly state: TaskState;
  readonly events: readonly StoredEvent[];
}

export interface TaskView {
  readonly id: string;
  readonly state: ReadonlySignal<TaskState | null>;
  /** Dense and in order; the first is not always version 1 (`hasOlder`). */
  readonly events: ReadonlySignal<readonly StoredEvent[]>;
  readonly story: ReadonlySignal<Story>;
  /** The last version that is here. */
  readonly through: ReadonlySignal<number>;
  /** The last version that was written to this device: the app can be killed and has it. */
  readonly kept: ReadonlySignal<number>;
  readonly following: ReadonlySignal<Following>;
  readonly passing: ReadonlySignal<ReadonlyMap<string, Passing>>;
  /** The first version that nobody had seen when the task was opened; 0 when all was seen. */
  readonly firstUnseen: number;
  readonly hasOlder: ReadonlySignal<boolean>;
  readonly problem: ReadonlySignal<Problem | null>;
  loadOlder(): Promise<void>;
  /** Load it again after a problem. */
  retry(): void;
  /** Throws ProblemError when the version is neither here nor to be had. */
  at(version: number): Promise<PastView>;
  close(): void;
}

export interface Tasks {
  /** Count one more user of a task; `close` counts one less. */
  open(task: string): TaskView;
}

/** What the line tells the open tasks. */
export interface TaskFeed {
  subscriptions(): readonly Subscription[];
  /** Take the items of a frame; return what is to be stored. */
  take(items: readonly ServerItem[]): readonly TaskBatch[];
  /** What `take` returned was written, or cannot be. */
  written(batches: readonly TaskBatch[]): void;
  connected(): void;
  openTasks(): ReadonlySet<string>;
  /** Forget all open tasks: another person is signed in. */
  clear(): void;
}

/** A task stays followed a little, since screens of one task replace each other. */
const LINGER_MS = 10_000;

interface Entry {
  readonly task: OpenTask;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export function createTasks(parts: OpenTaskParts): Tasks & TaskFeed {
  const entries = new Map<string, Entry>();

  function drop(id: string, entry: Entry): void {
    if (entry.users > 0 || entries.get(id) !== entry) return;
    entries.delete(id);
    entry.task.dispose();
    if (parts.isLive()) parts.send({ t: "unsub", task: id });
  }

  return {
    open(id) {
      const entry = entries.get(id) ?? {
        task: new OpenTask(id, parts),
        users: 0,
        timer: undefined,
      };
      clearTimeout(entry.timer);
      if (!entries.has(id)) {
        entries.set(id, entry);
        void entry.task.load();
      }
      entry.users += 1;
      let isOpen = true;
      return entry.task.view(() => {
        if (!isOpen) return;
        isOpen = false;
        entry.users -= 1;
        if (entry.users === 0) entry.timer = setTimeout(() => drop(id, entry), LINGER_MS);
      });
    },
    subscriptions: () => [...entries.values()].flatMap(({ task }) => task.subscription() ?? []),
    take(items) {
      for (const item of items) {
        if ("t" in item && item.t === "head") {
          for (const [id, version] of Object.entries(item.versions)) {
            entries.get(id)?.task.receive({ kind: "head", version });
          }
        } else if ("task" in item) entries.get(item.task)?.task.take(item);
      }
      return [...entries.values()].flatMap(({ task }) => task.takeBatch() ?? []);
    },
    written(batches) {
      for (const batch of batches) entries.get(batch.task)?.task.written(batch);
    },
    connected() {
      for (const { task } of entries.values()) task.connected();
    },
    openTasks: () => new Set(entries.keys()),
    clear() {
      for (const { task, timer } of entries.values()) {
        clearTimeout(timer);
        task.dispose();
      }
      entries.clear();
    },
  };
}
