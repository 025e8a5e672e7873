// Seen is what was really on the screen, in an app that was in front, with no sheet over it.
import { useEffect } from "preact/hooks";
import type { VisibleRows } from "../../../parts/list/virtual_list.tsx";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";
import { type ListItem, versionOf } from "./list_items.ts";

const REST_MS = 400;

export function useSeen(
  { view }: OpenTask,
  items: readonly ListItem[],
  visible: VisibleRows,
): void {
  const { inbox } = useApp();
  const version = visible.isAtEnd ? view.through.value : before(items, visible.last);
  useEffect(() => {
    if (version <= 0) return;
    let timer = 0;
    const look = () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        if (isLookedAt()) inbox.markSeen(view.id, version);
      }, REST_MS);
    };
    look();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [version, view.id]);
}

function isLookedAt(): boolean {
  const isCovered = document.querySelector("dialog[open]") !== null;
  return document.visibilityState === "visible" && document.hasFocus() && !isCovered;
}

/** All before the row that may be cut by the edge of the window. */
function before(items: readonly ListItem[], last: number): number {
  const item = items[last];
  return item === undefined ? 0 : Math.max(0, versionOf(item) - 1);
}
