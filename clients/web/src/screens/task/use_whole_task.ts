// All events of a task, from the first on: older pages are loaded until they are here.
import { useEffect } from "preact/hooks";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import { type OpenTask, useTask } from "./use_task.ts";

export interface WholeTask {
  readonly task: OpenTask;
  readonly events: readonly StoredEvent[];
  /** The first event is version 1. */
  readonly isWhole: boolean;
}

export function useWholeTask(id: string): WholeTask {
  const task = useTask(id);
  const events = task.view.events.value;
  const hasOlder = task.view.hasOlder.value;
  useEffect(() => {
    if (hasOlder) void task.view.loadOlder();
  }, [hasOlder, events.length]);
  return { task, events, isWhole: events[0]?.version === 1 };
}
