// The frame of a row: a long press, or its button, opens what can be done with it.
import type { ComponentChildren } from "preact";
import { useCallback } from "preact/hooks";
import type { StoryItem } from "../../../../model/story/rows.ts";
import { time } from "../../../../model/words/words.ts";
import { Icon, type IconName } from "../../../../parts/content/icon.tsx";
import { IconButton } from "../../../../parts/controls/button.tsx";
import { useLongPress } from "../../../../parts/controls/long_press.ts";
import { useApp } from "../../../../state/app.ts";
import { useStory } from "../story_context.ts";

interface StoryRowProps {
  readonly item: StoryItem;
  readonly look?: string;
  readonly children: ComponentChildren;
}

export function StoryRow({ item, look = "", children }: StoryRowProps) {
  const { isReadOnly, showMenu } = useStory();
  const press = useLongPress(useCallback(() => showMenu(item), [showMenu, item]));
  return (
    <article class={`story-row ${look}`} {...press}>
      {children}
      {!isReadOnly && (
        <div class="story-row-menu">
          <IconButton icon="more" label="More about this row" onPress={() => showMenu(item)} />
        </div>
      )}
    </article>
  );
}

interface StoryLineProps {
  readonly icon: IconName;
  readonly at?: string;
  readonly tone?: "" | "good" | "bad" | "attention";
  readonly children: ComponentChildren;
  /** With it, the line is a button. */
  readonly onPress?: (() => void) | undefined;
  readonly isOpen?: boolean | undefined;
}

/** A row of one line: an icon, what happened, and when. */
export function StoryLine({ icon, at, tone = "", children, onPress, isOpen }: StoryLineProps) {
  const content = (
    <>
      <Icon name={icon} size={18} />
      <span class="story-line-text">{children}</span>
      {at && <Time at={at} />}
      {onPress && <Icon name={isOpen ? "down" : "next"} size={16} />}
    </>
  );
  if (!onPress) return <div class={`story-line ${tone}`}>{content}</div>;
  return (
    <button type="button" class={`story-line ${tone}`} aria-expanded={isOpen} onClick={onPress}>
      {content}
    </button>
  );
}

export function Time({ at }: { at: string }) {
  const { clock } = useApp();
  return (
    <time class="story-time numbers" dateTime={at} title={new Date(at).toLocaleString()}>
      {time(at, clock.now.peek())}
    </time>
  );
}
