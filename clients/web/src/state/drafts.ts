// Text and images that the person has begun and not sent: every keystroke is stored.
import type { Signal } from "@preact/signals";

export interface DraftImage {
  readonly id: string;
  readonly name: string;
  readonly blob: Blob;
}

export interface Draft {
  readonly key: string;
  readonly text: Signal<string>;
  readonly images: Signal<readonly DraftImage[]>;
  /** Settles when what is stored was read: until then `text` may still change by itself. */
  readonly ready: Promise<void>;
}

export interface Drafts {
  /** The same object for the same key, as long as the app runs. */
  get(key: string): Draft;
  /** Throw a draft away, because the person said so. */
  discard(key: string): void;
}

/** The key of a field of a task's screen; of a new task without one. */
export function draftKey(task: string, field: string): string {
  return `${task}/${field}`;
}
