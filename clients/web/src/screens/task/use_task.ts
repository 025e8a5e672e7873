// The open task of a screen, for as long as the screen is there.
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Story } from "../../model/story/rows.ts";
import { useApp } from "../../state/app.ts";
import type { TaskView } from "../../state/tasks/tasks.ts";

export interface OpenTask {
  readonly view: TaskView;
  readonly story: ReadonlySignal<Story>;
}

export function useTask(task: string): OpenTask {
  const { tasks } = useApp();
  const opened = useMemo(() => {
    const view = tasks.open(task);
    return { view, story: view.story };
  }, [tasks, task]);
  useEffect(() => () => opened.view.close(), [opened]);
  return opened;
}
