// The plan of a task, item by item, as the agent keeps it.
import { Empty, Loading } from "../../parts/frame/notice.tsx";
import { TaskProblem } from "./details/task_problem.tsx";
import { TaskFrame } from "./frame.tsx";
import { PlanItems } from "./plan_items.tsx";
import { useTask } from "./use_task.ts";

export function Plan({ task: id }: { task: string }) {
  const task = useTask(id);
  const state = task.view.state.value;
  const done = state?.plan.filter((item) => item.state === "done").length ?? 0;
  return (
    <TaskFrame task={task} current="plan">
      {state === null &&
        (task.view.problem.value === null ? (
          <Loading rows={4} />
        ) : (
          <TaskProblem view={task.view} />
        ))}
      {state !== null && state.plan.length === 0 && (
        <Empty icon="plan" title="No plan yet">
          Claude writes one when the work has several steps.
        </Empty>
      )}
      {state !== null && state.plan.length > 0 && (
        <>
          <p class="plan-count soft numbers">
            {done} of {state.plan.length} done
          </p>
          <progress
            class="plan-progress"
            aria-label="Steps done"
            value={done}
            max={state.plan.length}
          />
          <PlanItems items={state.plan} />
        </>
      )}
    </TaskFrame>
  );
}
