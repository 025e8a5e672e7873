// Where a person reads: the row to begin at, the place to come back to, and what is new below it.
import type { RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { ListHandle, VisibleRows } from "../../../parts/list/virtual_list.tsx";
import type { OpenTask } from "../use_task.ts";
import { type ListItem, versionOf } from "./list_items.ts";

interface StartInput {
  readonly items: readonly ListItem[];
  readonly version: number;
  readonly handle: RefObject<ListHandle | null>;
}

/** The version at which each task was left, for as long as the app runs; absent: its end. */
const left = new Map<string, number>();

/** Return the index of the row to begin at; -1 for the end. */
export function useReadingStart(task: OpenTask, input: StartInput): number {
  const { items, version } = input;
  const { view } = task;
  const place = useMemo(() => left.get(view.id) ?? 0, [view]);
  const wanted = version || (view.firstUnseen > 1 ? view.firstUnseen : place);
  const start = indexOf(items, wanted);
  useReach(task, wanted);
  useJumps(input, start);
  return start;
}

/** Keep the place; return how many rows came below since the end was on the screen. */
export function useReadingPlace(
  { view }: OpenTask,
  items: readonly ListItem[],
  visible: VisibleRows,
): number {
  const lastAtEnd = useRef(items.at(-1)?.key ?? "");
  if (visible.isAtEnd) lastAtEnd.current = items.at(-1)?.key ?? "";
  useEffect(() => {
    const first = items[visible.first];
    if (visible.isAtEnd) left.delete(view.id);
    else if (first !== undefined && versionOf(first) > 0) left.set(view.id, versionOf(first));
  }, [visible.first, visible.isAtEnd]);
  return rowsAfter(items, lastAtEnd.current);
}

/** Older pages come until the version is here, as long as there are any. */
function useReach({ view }: OpenTask, version: number): void {
  const first = view.events.value[0]?.version ?? 0;
  useEffect(() => {
    if (version > 0 && first > version && view.hasOlder.peek()) void view.loadOlder();
  }, [first, version]);
}

/** Another link to a moment of the task that is open already. */
function useJumps({ version, handle }: StartInput, start: number): void {
  const opened = useRef(version);
  useEffect(() => {
    if (version !== opened.current && version > 0) handle.current?.showRow(start);
    opened.current = version;
  }, [version]);
}

/** The row that holds a version; at the line "new", that line. */
function indexOf(items: readonly ListItem[], version: number): number {
  if (version === 0) return -1;
  for (let index = items.length - 1; index >= 0; index--) {
    const from = versionOf(items[index]!);
    if (from === 0 || from > version) continue;
    const above = items[index - 1];
    return above?.kind === "divider" ? Math.max(0, index - 2) : index;
  }
  return 0;
}

function rowsAfter(items: readonly ListItem[], key: string): number {
  const index = items.findLastIndex((item) => item.key === key);
  return index < 0 ? 0 : items.length - 1 - index;
}
