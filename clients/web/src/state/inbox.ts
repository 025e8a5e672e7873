// The list of tasks: one line each, and up to where the person has seen them.
import type { ReadonlySignal } from "@preact/signals";
import type { TaskState } from "../model/api.gen.ts";
import type { Line } from "../model/frames.gen.ts";

export interface Inbox {
  /** The newest first. */
  readonly lines: ReadonlySignal<readonly Line[]>;
  /** undefined: nothing is stored yet and the gateway has not answered. */
  readonly isLoaded: ReadonlySignal<boolean>;
  /** The last version seen, by task, on any of the person's devices. */
  readonly seen: ReadonlySignal<ReadonlyMap<string, number>>;
  readonly hasOlder: ReadonlySignal<boolean>;
  markSeen(task: string, version: number): void;
  loadOlder(): Promise<void>;
  search(text: string): Promise<readonly TaskState[]>;
}
