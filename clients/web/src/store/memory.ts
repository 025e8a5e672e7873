// The store in memory: for tests, and where the browser has no IndexedDB (a private window).
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

export function memoryStore(): Store {
  const tasks = new Map<string, StoredTask>();
  const events = new Map<string, Map<number, StoredEvent>>();
  const folds = new Map<string, Map<number, StoredFold>>();
  const lines = new Map<string, Line>();
  const drafts = new Map<string, StoredDraft>();
  const blobs = new Map<string, Blob>();
  const commands = new Map<string, Command>();
  const seen = new Map<string, number>();
  const all = [tasks, events, folds, lines, drafts, blobs, commands, seen];

  function dropEvents(task: string): void {
    for (const map of [tasks, events, folds]) map.delete(task);
  }

  return {
    async write(batch, now) {
      const fresh = batch.tasks.map((each) =>
        newEvents(tasks.get(each.task)?.cursor ?? 0, each.events),
      );
      batch.tasks.forEach(({ task, folds: added }, place) => {
        const added_events = fresh[place] ?? [];
        tasks.set(task, grown(task, tasks.get(task) ?? null, added_events, now));
        for (const event of added_events) inner(events, task).set(event.version, event);
        for (const fold of added) inner(folds, task).set(fold.version, fold);
      });
      for (const line of batch.lines) {
        if ((lines.get(line.task)?.version ?? 0) <= line.version) lines.set(line.task, line);
      }
    },
    async startTask(fold, after, now) {
      const { task, version } = fold;
      dropEvents(task);
      tasks.set(task, { task, first: after + 1, cursor: after, bytes: 0, usedAt: now });
      inner(folds, task).set(version, fold);
    },
    async prepend(task, older) {
      const record = tasks.get(task);
      const fitting = older.filter((event) => event.version < (record?.first ?? 1));
      const first = fitting[0]?.version;
      if (record === undefined || first === undefined) return;
      if (fitting.at(-1)?.version !== record.first - 1) return;
      newEvents(first - 1, fitting);
      for (const event of fitting) inner(events, task).set(event.version, event);
      tasks.set(task, { ...record, first, bytes: record.bytes + sizeOf(fitting) });
    },
    task: async (task) => tasks.get(task) ?? null,
    async touch(task, now) {
      const record = tasks.get(task);
      if (record !== undefined) tasks.set(task, { ...record, usedAt: now });
    },
    async events(task, after, until) {
      const found = [...(events.get(task)?.values() ?? [])].sort(byVersion);
      return found.filter((event) => event.version > after && event.version <= until);
    },
    async fold(task, version) {
      const found = [...(folds.get(task)?.values() ?? [])].filter(
        (fold) => fold.version <= version,
      );
      return found.sort(byVersion).at(-1) ?? null;
    },
    async forget(task) {
      dropEvents(task);
      lines.delete(task);
      seen.delete(task);
    },
    lines: async () => [...lines.values()],
    draft: async (key) => drafts.get(key) ?? null,
    async putDraft(draft) {
      drafts.set(draft.key, draft);
    },
    async deleteDraft(key) {
      for (const image of drafts.get(key)?.images ?? []) blobs.delete(image.id);
      drafts.delete(key);
    },
    async moveDraft(from, to, now) {
      const draft = drafts.get(from);
      if (draft === undefined) return;
      drafts.set(to, joinDrafts(to, draft, drafts.get(to) ?? null, now));
      drafts.delete(from);
    },
    blob: async (id) => blobs.get(id) ?? null,
    async putBlob(id, blob) {
      blobs.set(id, blob);
    },
    async deleteBlob(id) {
      blobs.delete(id);
    },
    outbox: async () => [...commands.values()].sort((one, other) => (one.id < other.id ? -1 : 1)),
    async putCommand(command) {
      commands.set(command.id, command);
    },
    async deleteCommand(id) {
      commands.delete(id);
    },
    seen: async () => new Map(seen),
    async putSeen(cursors) {
      for (const [task, version] of cursors) {
        seen.set(task, Math.max(version, seen.get(task) ?? 0));
      }
    },
    async prune(limits, open) {
      for (const task of beyondLimits([...tasks.values()], limits, open)) dropEvents(task);
    },
    async wipe() {
      for (const map of all) map.clear();
    },
  };
}

function inner<T>(maps: Map<string, Map<number, T>>, task: string): Map<number, T> {
  const map = maps.get(task) ?? new Map<number, T>();
  maps.set(task, map);
  return map;
}

function byVersion(one: { version: number }, other: { version: number }): number {
  return one.version - other.version;
}
