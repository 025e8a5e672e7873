// Back in the list, the keyboard and the screen reader are where they left it: at the row that was opened.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../state/app.ts";

/** Returns the ref of the pane with the list. */
export function useReturnToRow(screen: string): RefObject<HTMLDivElement | null> {
  const { router } = useApp();
  const pane = useRef<HTMLDivElement>(null);
  const left = useRef<Element | null>(null);
  useEffect(() => {
    const shown = pane.current!;
    const note = (event: Event) => {
      if (event.target instanceof Element) left.current = event.target.closest("a, button");
    };
    shown.addEventListener("click", note);
    return () => shown.removeEventListener("click", note);
  }, []);
  useEffect(() => {
    if (screen !== "inbox" || !router.hasMoved()) return;
    const row = left.current?.isConnected ? left.current : pane.current?.querySelector("h1");
    if (row instanceof HTMLElement) row.focus({ preventScroll: true });
  }, [screen]);
  return pane;
}
