// The list of tasks: one line each, and up to where the person has seen them.
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type Api, ProblemError } from "../line/api.ts";
import type { ServerItem } from "../line/stream.ts";
import type { TaskPage, TaskState } from "../model/generated/api.gen.ts";
import {
  type FromDevice,
  INBOX,
  type Line,
  MAX_SEEN_CURSORS,
} from "../model/generated/frames.gen.ts";
import { goneLines } from "../model/inbox/gone.ts";
import { type Sections, sectionsOf } from "../model/inbox/inbox.ts";
import { lineOf } from "../model/inbox/line.ts";
import type { Store } from "../store/store.ts";
import type { WriteQueue } from "./device/write_queue.ts";
import type { Frames } from "./tasks/frames.ts";

/** How many lines the gateway sends by itself. */
const MAX_LINES = 100;
const PAGE_TASKS = 100;

export interface Inbox {
  /** The newest first, without those that are archived. */
  readonly lines: ReadonlySignal<readonly Line[]>;
  readonly sections: ReadonlySignal<Sections>;
  /** False: nothing is stored yet and the gateway has not answered. */
  readonly isLoaded: ReadonlySignal<boolean>;
  /** The last version seen, by task, on any of the person's devices. */
  readonly seen: ReadonlySignal<ReadonlyMap<string, number>>;
  readonly hasOlder: ReadonlySignal<boolean>;
  markSeen(task: string, version: number): void;
  loadOlder(): Promise<void>;
  search(text: string): Promise<readonly TaskState[]>;
}

/** What the line tells the list. */
export interface InboxFeed {
  /** Take the items of a frame; return the lines that are to be stored. */
  take(items: readonly ServerItem[]): readonly Line[];
  connected(): void;
  load(): Promise<void>;
  clear(): void;
}

export interface InboxParts {
  readonly api: Api;
  readonly store: Store;
  readonly frames: Frames;
  readonly writes: WriteQueue;
  readonly send: (frame: FromDevice) => boolean;
}

export function createInbox({ api, store, frames, writes, send }: InboxParts): Inbox & InboxFeed {
  const byTask = new Map<string, Line>();
  const lines = signal<readonly Line[]>([]);
  const seen = signal<ReadonlyMap<string, number>>(new Map());
  const isLoaded = signal(false);
  const mayHaveOlder = signal(true);
  const hasOlder = computed(() => mayHaveOlder.value && lines.value.length >= MAX_LINES);
  let next: string | null = "";
  let isFirstSeen = true;
  let came = new Set<string>(); // the tasks of this connection's lines

  function show(): void {
    const shown = [...byTask.values()].filter((line) => !line.is_archived);
    lines.value = shown.sort((one, other) => (one.updated_at < other.updated_at ? 1 : -1));
  }

  function keep(line: Line): boolean {
    if ((byTask.get(line.task)?.version ?? 0) > line.version) return false;
    byTask.set(line.task, line);
    return true;
  }

  /** Take cursors that are higher than ours; return those of ours that are higher than theirs. */
  function merge(cursors: Readonly<Record<string, number>>): Record<string, number> {
    const merged = new Map(seen.peek());
    for (const [task, version] of Object.entries(cursors)) {
      merged.set(task, Math.max(version, merged.get(task) ?? 0));
    }
    const ahead = [...merged]
      .filter(([task, version]) => byTask.has(task) && version > (cursors[task] ?? 0))
      .slice(-MAX_SEEN_CURSORS);
    seen.value = merged;
    writes.add(() => store.putSeen(new Map(Object.entries(cursors))));
    return Object.fromEntries(ahead);
  }

  /** Look after the lines that did not come: their tasks were archived or erased, or are older. */
  async function compare(): Promise<void> {
    const held = [...byTask.values()].filter((line) => !came.has(line.task) && !line.is_archived);
    if (held.length === 0) return;
    const page: TaskPage = await api.get("/v1/tasks", { limit: PAGE_TASKS });
    for (const { task } of goneLines(held, page)) await lookAfter(task);
    show();
  }

  async function lookAfter(task: string): Promise<void> {
    try {
      const line = lineOf(await api.get<TaskState>(`/v1/tasks/${encodeURIComponent(task)}`));
      if (keep(line)) writes.add(() => store.write({ tasks: [], lines: [line] }, 0));
    } catch (error) {
      if (!(error instanceof ProblemError && error.problem.status === 404)) throw error;
      byTask.delete(task);
      writes.add(() => store.forget(task));
    }
  }

  return {
    lines,
    sections: computed(() => sectionsOf(lines.value, seen.value)),
    isLoaded,
    seen,
    hasOlder,
    markSeen(task, version) {
      if (version <= (seen.peek().get(task) ?? 0)) return;
      merge({ [task]: version });
      send({ t: "seen", cursors: { [task]: version } });
    },
    async loadOlder() {
      if (next === null) return;
      const page: TaskPage = await api.get("/v1/tasks", { limit: PAGE_TASKS, after: next });
      next = page.next;
      mayHaveOlder.value = next !== null;
      const older = page.data.map(lineOf).filter(keep);
      isLoaded.value = true;
      writes.add(() => store.write({ tasks: [], lines: older }, 0));
      show();
    },
    async search(text) {
      return (await api.get<TaskPage>("/v1/tasks", { search: text, limit: PAGE_TASKS })).data;
    },
    take(items) {
      const changed: Line[] = [];
      for (const item of items) {
        if (!("t" in item)) continue;
        if (item.t === "line") came.add(item.task);
        if (item.t === "line" && keep(item)) changed.push(item);
        if (item.t === "reset" && item.task !== INBOX && item.reason === "not_found") {
          byTask.delete(item.task);
        }
        if (item.t === "seen") {
          const ahead = merge(item.cursors);
          if (isFirstSeen && Object.keys(ahead).length > 0) send({ t: "seen", cursors: ahead });
          // The lines came before it. Without an answer, the next connection looks again.
          if (isFirstSeen) compare().catch(() => {});
          isFirstSeen = false; // later ones have only what moved
          isLoaded.value = true;
        }
      }
      if (changed.length > 0) {
        isLoaded.value = true;
        frames.request(show);
      }
      return changed;
    },
    connected() {
      isFirstSeen = true;
      came = new Set();
    },
    async load() {
      const [stored, cursors] = await Promise.all([store.lines(), store.seen()]);
      stored.forEach(keep);
      merge(Object.fromEntries(cursors));
      if (stored.length > 0) isLoaded.value = true;
      show();
    },
    clear() {
      byTask.clear();
      seen.value = new Map();
      isLoaded.value = false;
      mayHaveOlder.value = true;
      next = "";
      show();
    },
  };
}
