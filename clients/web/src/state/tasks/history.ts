// The part of a task's history that is in memory, and how it gets there from the store and gateway.
import type { Api } from "../../line/api.ts";
import { foldAll } from "../../model/fold/fold.ts";
import type { EventPage, PastTask, TaskState } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import type { Store } from "../../store/store.ts";
import type { WriteQueue } from "../device/write_queue.ts";

/** How many events a task opens with, and how many a page backwards has. */
export const TAIL_EVENTS = 400;
/** A history up to this length is fetched whole. */
const MAX_WHOLE_EVENTS = 600;

export interface Opened {
  readonly events: readonly StoredEvent[];
  readonly state: TaskState | null;
  /** Where to go on from. */
  readonly version: number;
  /** The state to show until the events are here. */
  readonly preview: TaskState | null;
}

export interface HistoryParts {
  readonly store: Store;
  readonly writes: WriteQueue;
  readonly api: Api;
  readonly account: () => string;
  readonly now: () => number;
}

/** What is stored of a task: its newest events and its state. Null when nothing is. */
export async function openStored(parts: HistoryParts, task: string): Promise<Opened | null> {
  const { store } = parts;
  const [record, newest] = await Promise.all([
    store.task(task),
    store.fold(task, Number.MAX_SAFE_INTEGER),
  ]);
  if (record === null || record.cursor === 0) return null;
  const fold = newest !== null && newest.version <= record.cursor ? newest : null;
  if (fold === null && record.first > 1) return null; // without a state to begin from
  const tail = Math.max(record.cursor - TAIL_EVENTS, record.first - 1);
  const after = Math.min(fold?.version ?? 0, tail);
  const events = await store.events(task, after, record.cursor);
  const state = foldAll(fold?.state ?? null, events, parts.account());
  void store.touch(task, parts.now()).catch(() => {});
  return { events, state, version: record.cursor, preview: null };
}

/** Begin a task that is not stored: from its first event, or a long one from near its end. */
export async function openFromGateway(parts: HistoryParts, task: string): Promise<Opened> {
  const { api, store } = parts;
  const path = `/v1/tasks/${encodeURIComponent(task)}`;
  const state = await api.get<TaskState>(path);
  if (state.version <= MAX_WHOLE_EVENTS)
    return { events: [], state: null, version: 0, preview: state };
  const version = state.version - TAIL_EVENTS;
  const fold = { task, version: state.version, state };
  void parts.writes.add(() => store.startTask(fold, version, parts.now()));
  return { events: [], state, version, preview: null }; // what it knows changes it no more
}

/** Events up to `until`, at most a page of them, from the store or else from the gateway. */
export async function eventsUpTo(
  parts: HistoryParts,
  task: string,
  until: number,
): Promise<readonly StoredEvent[]> {
  const after = Math.max(0, until - TAIL_EVENTS);
  const record = await parts.store.task(task);
  if (record !== null && record.first <= after + 1 && record.cursor >= until) {
    return parts.store.events(task, after, until);
  }
  const path = `/v1/tasks/${encodeURIComponent(task)}/events`;
  const page = await parts.api.get<EventPage>(path, { after, limit: TAIL_EVENTS });
  return page.data.filter((event) => event.version <= until);
}

/** A task's state at a version, from the store or else from the gateway. */
export async function stateAt(
  parts: HistoryParts,
  task: string,
  version: number,
): Promise<TaskState> {
  const { store, api } = parts;
  const record = await store.task(task);
  const fold = await store.fold(task, version);
  const after = fold?.version ?? 0;
  if (record !== null && record.first <= after + 1 && record.cursor >= version) {
    const events = await store.events(task, after, version);
    const state = foldAll(fold?.state ?? null, events, parts.account());
    if (state !== null) return state;
  }
  const path = `/v1/tasks/${encodeURIComponent(task)}/state`;
  return (await api.get<PastTask>(path, { at: version })).state;
}
