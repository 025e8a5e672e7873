// Open tasks: their events, their state, and what passes while it happens.
import type { ReadonlySignal } from "@preact/signals";
import type { Problem, TaskState } from "../model/api.gen.ts";
import type { StoredEvent } from "../model/events.gen.ts";
import type { EphemeralKind } from "../model/frames.gen.ts";

export type Following = "following" | "asking" | "fetching" | "pausing";

/** A piece of text or output that is shown while it happens and stored nowhere. */
export interface Passing {
  readonly block: string;
  readonly kind: EphemeralKind;
  /** What is there, from the character `begin` on. */
  readonly text: ReadonlySignal<string>;
  /** Characters that are missing before `text`, or between its parts; 0 for none. */
  readonly missing: ReadonlySignal<number>;
}

/** A task as it stood at a version. */
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
  /** The last version that is here. */
  readonly through: ReadonlySignal<number>;
  readonly following: ReadonlySignal<Following>;
  readonly passing: ReadonlySignal<ReadonlyMap<string, Passing>>;
  /** The first version that nobody had seen when the task was opened; 0 when all was seen. */
  readonly firstUnseen: number;
  readonly hasOlder: ReadonlySignal<boolean>;
  readonly problem: ReadonlySignal<Problem | null>;
  loadOlder(): Promise<void>;
  /** Throws ProblemError when the version is neither here nor to be had. */
  at(version: number): Promise<PastView>;
  close(): void;
}

export interface Tasks {
  /** Count one more user of a task; `close` counts one less. */
  open(task: string): TaskView;
}
