// The time, for words like "2 min ago": it ticks each second while the app is visible.
import type { ReadonlySignal } from "@preact/signals";

export interface Clock {
  /** Unix milliseconds, corrected by the gateway's clock. */
  readonly now: ReadonlySignal<number>;
}
