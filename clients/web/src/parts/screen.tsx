// The frame of every screen: a header that stays, a part that scrolls, and a foot in reach of a thumb.
import type { ComponentChildren, Ref } from "preact";
import { IconButton } from "./button.tsx";
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
  return (
    <div class="screen">
      <header class="screen-header">
        <div class="screen-bar">
          {onBack && <IconButton icon="back" label="Back" onPress={onBack} />}
          <div class="screen-titles">
            <h1>{title}</h1>
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
