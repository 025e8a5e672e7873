// The open task of a screen, and the story made of its events as they come.
import { computed, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { addEvents, emptyStory, type Story, storyOf } from "../../model/rows.ts";
import { useApp } from "../../state/app.ts";
import type { TaskView } from "../../state/tasks.ts";

export interface OpenTask {
  readonly view: TaskView;
  readonly story: ReadonlySignal<Story>;
}

export function useTask(task: string): OpenTask {
  const { tasks } = useApp();
  const opened = useMemo(() => {
    const view = tasks.open(task);
    return { view, story: followStory(view) };
  }, [tasks, task]);
  useEffect(() => () => opened.view.close(), [opened]);
  return opened;
}

/** What is new is added to the rows; only older pages make all of them anew. */
function followStory(view: TaskView): ReadonlySignal<Story> {
  let story = emptyStory();
  return computed(() => {
    const events = view.events.value;
    const first = events[0]?.version ?? 0;
    const isLonger = first === story.first && events.length > 0;
    story = isLonger ? addEvents(story, events.slice(story.last - first + 1)) : storyOf(events);
    return story;
  });
}
