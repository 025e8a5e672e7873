// A new task that is a fork: what it begins from, and what is as in the other task.
import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import {
  type ForkPoint,
  forkPointOf,
  NO_CHOICES,
  type TaskChoices,
} from "../../model/compose/new_task.ts";
import type { TaskState } from "../../model/generated/api.gen.ts";
import { plainLine } from "../../model/plain.ts";
import { Link } from "../../parts/controls/link.tsx";
import { useApp } from "../../state/app.ts";

export interface Fork extends ForkPoint {
  /** Empty until it is known. */
  readonly title: ReadonlySignal<string>;
  /** The other task's choices; those of no task until they are known. */
  readonly like: ReadonlySignal<TaskChoices>;
}

/** The fork that the address asks for; `onKnown` receives the choices of the other task. */
export function useFork(onKnown: (choices: TaskChoices) => void): Fork | null {
  const { api } = useApp();
  const fork = useMemo(() => {
    const point = forkPointOf(location.search);
    return point && { ...point, title: signal(""), like: signal(NO_CHOICES) };
  }, []);
  useEffect(() => {
    if (fork === null) return;
    api.get<TaskState>(`/v1/tasks/${encodeURIComponent(fork.task)}`).then(
      (state) => {
        fork.title.value = plainLine(state.title, 80);
        fork.like.value = choicesOf(state);
        onKnown(fork.like.value);
      },
      () => {}, // the fork can be sent without: what is not named is as in the other task
    );
  }, []);
  return fork;
}

function choicesOf({ repository, model, policy, budget }: TaskState): TaskChoices {
  return {
    ...NO_CHOICES,
    repository: repository.url,
    base: repository.base ?? "",
    model,
    policy: policy ?? NO_CHOICES.policy,
    budgetMicrousd: budget?.submitted?.cost_microusd ?? 0,
  };
}

export function ForkNote({ fork: { task, at, title } }: { fork: Fork }) {
  return (
    <p class="note small wrap">
      Begins from{" "}
      <Link to={`/t/${task}/past#v${at}`}>
        {title.value === "" ? "another task" : `“${title.value}”`} at #{at}
      </Link>
      : with its files as they were kept then and the conversation so far. That task is not changed.
    </p>
  );
}
