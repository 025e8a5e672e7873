// @tanstack/virtual-core in Preact: one Virtualizer for the life of a component, drawn as it changes.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualizerOptions,
} from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

export type List = Virtualizer<HTMLElement, HTMLElement>;

type Given = "observeElementRect" | "observeElementOffset" | "scrollToFn" | "onChange";
type Options = Omit<VirtualizerOptions<HTMLElement, HTMLElement>, Given>;

export function useVirtualizer(options: Options): List {
  const [, draw] = useReducer((count: number, _: undefined) => count + 1, 0);
  const whole = {
    ...options,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw(undefined),
  };
  const [list] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(whole));
  list.setOptions(whole);
  useLayoutEffect(() => list._didMount(), [list]);
  useLayoutEffect(() => list._willUpdate());
  return list;
}
