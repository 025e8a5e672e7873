// The time, for words like "2 min ago": it ticks each second while the app is visible.
import { type ReadonlySignal, signal } from "@preact/signals";

export interface Clock {
  /** Unix milliseconds, corrected by the gateway's clock. */
  readonly now: ReadonlySignal<number>;
  /** The gateway says what time it is; `at` is Unix milliseconds there. */
  correct(at: number): void;
}

const TICK_MS = 1000;

export function createClock(document: Document): Clock {
  let ahead = 0;
  const now = signal(Date.now());
  const tick = () => {
    now.value = Date.now() + ahead;
  };
  let timer = setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", () => {
    clearInterval(timer);
    if (document.visibilityState !== "visible") return;
    tick();
    timer = setInterval(tick, TICK_MS);
  });
  return {
    now,
    correct(at) {
      ahead = at - Date.now();
      tick();
    },
  };
}
