// What the rows of a story share: the task, who looks at it, and what a tap does.
import type { Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Call, StoryItem } from "../../../model/story/rows.ts";
import type { People } from "../../../model/words/words.ts";
import type { OpenTask } from "../use_task.ts";

export interface StoryScope {
  readonly task: OpenTask;
  readonly people: People;
  /** Keys of rows that the person opened. */
  readonly opened: Signal<ReadonlySet<string>>;
  /** It is looked at, and nothing can be done: a past version, or a shared task. */
  readonly isReadOnly: boolean;
  readonly showMenu: (item: StoryItem) => void;
  readonly showCall: (call: Call) => void;
  readonly showAsk: (request: string) => void;
}

export const StoryScopeContext = createContext<StoryScope | null>(null);

export function useStory(): StoryScope {
  const scope = useContext(StoryScopeContext);
  if (scope === null) throw new Error("useStory() is used outside a story.");
  return scope;
}

export function toggle(opened: Signal<ReadonlySet<string>>, key: string): void {
  const keys = new Set(opened.value);
  if (!keys.delete(key)) keys.add(key);
  opened.value = keys;
}
