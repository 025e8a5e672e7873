// The store in IndexedDB: every operation is one transaction, repeated once when the link is lost.
// Writes are relaxed, as they are to outlive the app and not a power cut.
import {
  type DBSchema,
  type IDBPDatabase,
  type IDBPTransaction,
  openDB,
  type StoreNames,
} from "idb";
import type { StoredEvent } from "../model/generated/events.gen.ts";
import type { Line } from "../model/generated/frames.gen.ts";
import type { Command } from "../model/protocol/receipt.ts";
import {
  beyondLimits,
  grown,
  joinDrafts,
  newEvents,
  type Store,
  type StoredDraft,
  type StoredFold,
  type StoredTask,
  sizeOf,
} from "./store.ts";

interface Schema extends DBSchema {
  tasks: { key: string; value: StoredTask };
  events: { key: [string, number]; value: StoredEvent };
  folds: { key: [string, number]; value: StoredFold };
  lines: { key: string; value: Line };
  drafts: { key: string; value: StoredDraft };
  blobs: { key: string; value: Blob };
  outbox: { key: string; value: Command };
  seen: { key: string; value: { task: string; version: number } };
}

type Name = StoreNames<Schema>;
type Writing = IDBPTransaction<Schema, Name[], "readwrite">;

const NAMES: readonly Name[] = [
  "tasks",
  "events",
  "folds",
  "lines",
  "drafts",
  "blobs",
  "outbox",
  "seen",
];
const KEY_PATHS: { readonly [N in Name]?: string | string[] } = {
  tasks: "task",
  events: ["task", "version"],
  folds: ["task", "version"],
  lines: "task",
  drafts: "key",
  outbox: "id",
  seen: "task",
};
const VERSION = 1;
/** Safari drops the link of a page in the background; the next use throws one of these. */
const LOST = new Set(["InvalidStateError", "UnknownError", "AbortError"]);

export function idbStore(name = "errand"): Store {
  let link: Promise<IDBPDatabase<Schema>> | null = null;

  function open(): Promise<IDBPDatabase<Schema>> {
    link ??= openDB<Schema>(name, VERSION, {
      upgrade(database) {
        for (const each of NAMES) {
          const keyPath = KEY_PATHS[each];
          database.createObjectStore(each, keyPath === undefined ? {} : { keyPath });
        }
      },
      blocking: (_current, _blocked, event) => {
        (event.target as IDBDatabase).close(); // a newer app, or a wipe, waits for this page
        link = null;
      },
      terminated: () => {
        link = null;
      },
    });
    link.catch(() => {
      link = null;
    });
    return link;
  }

  async function again<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    try {
      return await work(await open());
    } catch (error) {
      if (!(error instanceof DOMException && LOST.has(error.name))) throw error;
      link = null;
      return await work(await open());
    }
  }

  function writing<T>(names: Name[], work: (transaction: Writing) => Promise<T>): Promise<T> {
    return again(async (database) => {
      const transaction = database.transaction(names, "readwrite", { durability: "relaxed" });
      try {
        const made = await work(transaction);
        commit(transaction);
        await transaction.done;
        return made;
      } catch (error) {
        transaction.done.catch(() => undefined); // the error that matters is the first one
        abort(transaction);
        throw error;
      }
    });
  }

  return {
    write: (batch, now) =>
      writing(["tasks", "events", "folds", "lines"], async (transaction) => {
        for (const { task, events, folds } of batch.tasks) {
          const before = (await transaction.objectStore("tasks").get(task)) ?? null;
          const fresh = newEvents(before?.cursor ?? 0, events);
          for (const event of fresh) enqueue(transaction.objectStore("events").put(event));
          for (const fold of folds) enqueue(transaction.objectStore("folds").put(fold));
          enqueue(transaction.objectStore("tasks").put(grown(task, before, fresh, now)));
        }
        for (const line of batch.lines) {
          const before = await transaction.objectStore("lines").get(line.task);
          if ((before?.version ?? 0) <= line.version) {
            enqueue(transaction.objectStore("lines").put(line));
          }
        }
      }),
    startTask: (fold, after, now) =>
      writing(["tasks", "events", "folds"], async (transaction) => {
        const { task } = fold;
        dropEvents(transaction, task);
        enqueue(transaction.objectStore("folds").put(fold));
        const record = { task, first: after + 1, cursor: after, bytes: 0, usedAt: now };
        await transaction.objectStore("tasks").put(record);
      }),
    prepend: (task, older) =>
      writing(["tasks", "events"], async (transaction) => {
        const record = await transaction.objectStore("tasks").get(task);
        const fitting = older.filter((event) => event.version < (record?.first ?? 1));
        const first = fitting[0]?.version;
        if (record === undefined || first === undefined) return;
        if (fitting.at(-1)?.version !== record.first - 1) return;
        newEvents(first - 1, fitting);
        for (const event of fitting) enqueue(transaction.objectStore("events").put(event));
        const bytes = record.bytes + sizeOf(fitting);
        await transaction.objectStore("tasks").put({ ...record, first, bytes });
      }),
    task: (task) => again(async (database) => (await database.get("tasks", task)) ?? null),
    touch: (task, now) =>
      writing(["tasks"], async (transaction) => {
        const record = await transaction.objectStore("tasks").get(task);
        if (record) await transaction.objectStore("tasks").put({ ...record, usedAt: now });
      }),
    events: (task, after, until) =>
      after >= until
        ? Promise.resolve([])
        : again((database) =>
            database.getAll("events", IDBKeyRange.bound([task, after], [task, until], true)),
          ),
    fold: (task, version) =>
      again(async (database) => {
        const range = IDBKeyRange.bound([task, 0], [task, version]);
        const cursor = await database.transaction("folds").store.openCursor(range, "prev");
        return cursor?.value ?? null;
      }),
    forget: (task) =>
      writing(["tasks", "events", "folds", "lines", "seen"], async (transaction) => {
        dropEvents(transaction, task);
        enqueue(transaction.objectStore("seen").delete(task));
        await transaction.objectStore("lines").delete(task);
      }),
    lines: () => again((database) => database.getAll("lines")),
    draft: (key) => again(async (database) => (await database.get("drafts", key)) ?? null),
    putDraft: (draft) =>
      writing(["drafts"], async (transaction) => {
        enqueue(transaction.objectStore("drafts").put(draft));
      }),
    deleteDraft: (key) =>
      writing(["drafts", "blobs"], async (transaction) => {
        const draft = await transaction.objectStore("drafts").get(key);
        for (const { id } of draft?.images ?? [])
          enqueue(transaction.objectStore("blobs").delete(id));
        await transaction.objectStore("drafts").delete(key);
      }),
    moveDraft: (from, to, now) =>
      writing(["drafts"], async (transaction) => {
        const store = transaction.objectStore("drafts");
        const draft = await store.get(from);
        if (draft === undefined) return;
        enqueue(store.put(joinDrafts(to, draft, (await store.get(to)) ?? null, now)));
        await store.delete(from);
      }),
    blob: (id) => again(async (database) => (await database.get("blobs", id)) ?? null),
    putBlob: (id, blob) =>
      writing(["blobs"], async (transaction) => {
        enqueue(transaction.objectStore("blobs").put(blob, id));
      }),
    deleteBlob: (id) =>
      writing(["blobs"], async (transaction) => {
        enqueue(transaction.objectStore("blobs").delete(id));
      }),
    outbox: () => again((database) => database.getAll("outbox")),
    putCommand: (command) =>
      writing(["outbox"], async (transaction) => {
        enqueue(transaction.objectStore("outbox").put(command));
      }),
    deleteCommand: (id) =>
      writing(["outbox"], async (transaction) => {
        enqueue(transaction.objectStore("outbox").delete(id));
      }),
    seen: () =>
      again(async (database) => {
        const found = await database.getAll("seen");
        return new Map(found.map(({ task, version }) => [task, version]));
      }),
    putSeen: (cursors) =>
      writing(["seen"], async (transaction) => {
        const store = transaction.objectStore("seen");
        for (const [task, version] of cursors) {
          const before = (await store.get(task))?.version ?? 0;
          if (version > before) enqueue(store.put({ task, version }));
        }
      }),
    prune: (limits, open) =>
      writing(["tasks", "events", "folds"], async (transaction) => {
        const tasks = await transaction.objectStore("tasks").getAll();
        for (const task of beyondLimits(tasks, limits, open)) dropEvents(transaction, task);
      }),
    wipe: () =>
      writing([...NAMES], async (transaction) => {
        await Promise.all(NAMES.map((each) => transaction.objectStore(each).clear()));
      }),
  };
}

function dropEvents(transaction: Writing, task: string): void {
  const range = IDBKeyRange.bound([task, 0], [task, Number.MAX_SAFE_INTEGER]);
  enqueue(transaction.objectStore("events").delete(range));
  enqueue(transaction.objectStore("folds").delete(range));
  enqueue(transaction.objectStore("tasks").delete(task));
}

/** Not waited for: where it fails, so does its transaction. */
function enqueue(request: Promise<unknown>): void {
  request.catch(() => undefined);
}

/** Without it the page would have to live until every request was answered. */
function commit(transaction: Writing): void {
  try {
    transaction.commit();
  } catch {
    // it has ended by itself
  }
}

function abort(transaction: Writing): void {
  try {
    transaction.abort();
  } catch {
    // it has ended by itself
  }
}
