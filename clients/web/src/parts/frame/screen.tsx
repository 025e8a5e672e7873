// The frame of every screen: a header that stays, a part that scrolls, and a foot in reach of a thumb.
import type { ComponentChildren, Ref, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../../state/app.ts";
import { IconButton } from "../controls/button.tsx";
import "./screen.css";

interface ScreenProps {
  title: ComponentChildren;
  children: ComponentChildren;
  onBack?: (() => void) | undefined;
  /** The second line of the header. */
  under?: ComponentChildren;
  actions?: ComponentChildren;
  /** Below the header's lines, across its whole width. */
  tabs?: ComponentChildren;
  foot?: ComponentChildren;
  scroller?: Ref<HTMLElement>;
  /** Scrolls by itself (a virtual list): the frame does not. */
  isFixed?: boolean;
}

export function Screen(props: ScreenProps) {
  const { title, children, onBack, under, actions, tabs, foot, scroller, isFixed } = props;
  const heading = useHeadingFocus();
  return (
    <div class="screen">
      <header class="screen-header">
        <div class="screen-bar">
          {onBack && <IconButton icon="back" label="Back" onPress={onBack} />}
          <div class="screen-titles">
            <h1 ref={heading} tabIndex={-1}>
              {title}
            </h1>
            {under && <div class="screen-under">{under}</div>}
          </div>
          {actions && <div class="screen-actions">{actions}</div>}
        </div>
        {tabs}
      </header>
      <main class={isFixed ? "screen-main fixed" : "screen-main"} ref={scroller ?? null}>
        {children}
      </main>
      {foot && <footer class="screen-foot">{foot}</footer>}
    </div>
  );
}

/** A screen that was gone to begins at its heading, for the keyboard and for screen readers. */
function useHeadingFocus(): RefObject<HTMLHeadingElement | null> {
  const { router } = useApp();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!router.hasMoved()) return;
    const request = requestAnimationFrame(() => {
      // What was pressed is gone with its screen, or it still has the focus and keeps it.
      const focused = document.activeElement;
      const isGone = focused === null || focused === document.body || !focused.checkVisibility();
      if (isGone) heading.current?.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(request);
  }, []);
  return heading;
}
