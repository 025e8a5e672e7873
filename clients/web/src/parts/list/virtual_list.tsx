// A list of any length: only the rows near the window exist. It follows its end only when it is there.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type List, useVirtualizer } from "./virtualizer.ts";
import "./virtual_list.css";

/** Nearer to the end than this, the list follows what is added. */
const PINNED_PX = 64;
/** How far below the upper edge a row is brought, as a part of the height. */
const UPPER_THIRD = 0.2;
const OVERSCAN_ROWS = 4;
const USUAL_SHARE = 0.75;
/** So many heights of the list before its beginning, more is asked for. */
const NEAR_START = 2;

/** What is visible: indices of the first and last row, and whether the end is. */
export interface VisibleRows {
  readonly first: number;
  readonly last: number;
  readonly isAtEnd: boolean;
}

export interface ListHandle {
  /** Bring a row into the upper third. */
  showRow(index: number): void;
  showEnd(): void;
}

interface VirtualListProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly estimate: (row: T) => number;
  readonly children: (row: T, index: number) => ComponentChildren;
  /** The row to begin at, in the upper third; -1 for the end. It holds until the person scrolls. */
  readonly start: number;
  readonly handle: RefObject<ListHandle | null>;
  readonly onVisible: (rows: VisibleRows) => void;
  readonly onNearStart: () => void;
}

export function VirtualList<T>(props: VirtualListProps<T>) {
  const { rows, keyOf, estimate } = props;
  const scroller = useRef<HTMLDivElement>(null);
  // As long as the rows are the same, so are these: else every step of a scroll measures all again.
  const measures = useMemo(
    () => ({
      estimateSize: (index: number) => estimate(rows[index]!),
      getItemKey: (index: number) => keyOf(rows[index]!),
    }),
    [rows, estimate, keyOf],
  );
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    ...measures,
    initialOffset: () => startOffset(props),
    initialRect: { width: window.innerWidth, height: usualHeight() },
    overscan: OVERSCAN_ROWS,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: PINNED_PX,
    scrollPaddingStart: Math.round((scroller.current?.clientHeight ?? 0) * UPPER_THIRD),
  });
  props.handle.current = handleOf(list);
  useStart(list, scroller, props.start);
  useEndKept(list, scroller);
  useVisible(list, props);
  const items = list.getVirtualItems();
  return (
    <div
      class="virtual-list"
      ref={scroller}
      role="log"
      aria-live="off"
      aria-label={props.label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keys
      tabIndex={0}
    >
      <div class="virtual-list-sizer" style={{ height: `${list.getTotalSize()}px` }}>
        <div
          class="virtual-list-rows"
          style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}
        >
          {items.map(({ key, index }) => (
            <div key={key} data-index={index} ref={list.measureElement}>
              {rows[index] !== undefined && props.children(rows[index], index)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

/** About where the list begins, so that the rows there are the first that are drawn. */
function startOffset<T>({ rows, estimate, start }: VirtualListProps<T>): number {
  const above = start < 0 ? rows : rows.slice(0, start);
  const height = above.reduce((sum, row) => sum + estimate(row), 0);
  return Math.max(0, height - usualHeight() * (start < 0 ? 1 : UPPER_THIRD));
}

/** About how high the list is: known for certain once it is on the screen. */
function usualHeight(): number {
  return Math.round(window.innerHeight * USUAL_SHARE);
}

function handleOf(list: List): ListHandle {
  return {
    showRow: (index) => list.scrollToIndex(index, { align: "start" }),
    showEnd: () => list.scrollToEnd(),
  };
}

const TOUCHES = ["wheel", "touchmove", "keydown", "pointerdown"] as const;

/** Begin at a row or at the end; rows may still be coming, so it is done again until a person acts. */
function useStart(list: List, scroller: RefObject<HTMLDivElement | null>, start: number): void {
  const isTouched = useRef(false);
  useEffect(() => {
    const shown = scroller.current!;
    const touch = () => {
      isTouched.current = true;
    };
    for (const name of TOUCHES) shown.addEventListener(name, touch, { passive: true });
    return () => {
      for (const name of TOUCHES) shown.removeEventListener(name, touch);
    };
  }, []);
  const isEmpty = list.options.count === 0;
  const size = start < 0 ? 0 : list.getTotalSize(); // rows above may turn out higher than guessed
  useLayoutEffect(() => {
    if (isTouched.current || isEmpty) return;
    if (start < 0) list.scrollToEnd();
    else list.scrollToIndex(start, { align: "start" });
  }, [start, isEmpty, size]);
}

/** Who reads the end still does when the keyboard takes half of the window. */
function useEndKept(list: List, scroller: RefObject<HTMLDivElement | null>): void {
  const wasAtEnd = useRef(true);
  useEffect(() => {
    const shown = scroller.current!;
    const look = () => {
      wasAtEnd.current = isAtEndOf(list);
    };
    const observer = new ResizeObserver(() => {
      if (wasAtEnd.current) list.scrollToEnd();
    });
    shown.addEventListener("scroll", look, { passive: true });
    observer.observe(shown);
    return () => {
      shown.removeEventListener("scroll", look);
      observer.disconnect();
    };
  }, []);
}

/** From what is known: to ask the browser would make it lay out the page at each step of a scroll. */
function isAtEndOf(list: List): boolean {
  const end = (list.scrollOffset ?? 0) + (list.scrollRect?.height ?? 0);
  return list.getTotalSize() - end <= PINNED_PX;
}

function isNearStart(list: List): boolean {
  return (list.scrollOffset ?? 0) < NEAR_START * (list.scrollRect?.height ?? 0);
}

function useVisible<T>(list: List, { onVisible, onNearStart }: VirtualListProps<T>): void {
  const range = list.range;
  const isAtEnd = isAtEndOf(list);
  const first = range?.startIndex ?? 0;
  const last = range?.endIndex ?? -1;
  useEffect(() => {
    if (last < 0) return;
    onVisible({ first, last, isAtEnd });
    if (isNearStart(list)) onNearStart();
  }, [first, last, isAtEnd, list.options.count]);
}
