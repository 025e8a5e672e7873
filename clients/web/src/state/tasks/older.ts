// The pages before what is shown: one at a time onto the screen, and bit by bit into the store.
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import { SLICE_EVENTS } from "../../store/store.ts";
import { eventsUpTo, type HistoryParts } from "./history.ts";
import type { ShownTask } from "./shown_task.ts";

export interface OlderParts extends HistoryParts {
  /** Do this when the browser has nothing to do. */
  readonly whenIdle: (work: () => void) => unknown;
}

/** Return what shows one page more of a task; asked for again meanwhile, it is the same page. */
export function createOlder(parts: OlderParts, task: string, shown: ShownTask) {
  const keep = createKeeper(parts, task);
  let loading: Promise<void> | null = null;

  async function load(): Promise<void> {
    const { first } = shown;
    if (first <= 1) return;
    const events = await eventsUpTo(parts, task, first - 1);
    keep(events);
    await shown.prepend(events);
  }

  return (): Promise<void> => {
    loading ??= load().finally(() => {
      loading = null;
    });
    return loading;
  };
}

type KeeperParts = Pick<OlderParts, "store" | "writes" | "whenIdle">;

/** Return what takes a task's pages, each older than the one before, and stores them. */
export function createKeeper({ store, writes, whenIdle }: KeeperParts, task: string) {
  const waiting: (readonly StoredEvent[])[] = [];
  let isWriting = false;

  function next(): void {
    const slice = isWriting ? undefined : waiting.shift();
    if (slice === undefined) return;
    isWriting = true;
    whenIdle(() => {
      void writes
        .add(() => store.prepend(task, slice))
        .then(() => {
          isWriting = false;
          next();
        });
    });
  }

  /** The newest first: what is stored has no gap whenever the app is closed. */
  return function keep(events: readonly StoredEvent[]): void {
    for (let end = events.length; end > 0; end -= SLICE_EVENTS) {
      waiting.push(events.slice(Math.max(0, end - SLICE_EVENTS), end));
    }
    next();
  };
}
