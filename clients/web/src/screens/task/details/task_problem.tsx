// Why a task is not shown, and how to try again where that can help.
import { Failed } from "../../../parts/frame/notice.tsx";
import type { TaskView } from "../../../state/tasks/tasks.ts";

export function TaskProblem({ view }: { view: TaskView }) {
  const problem = view.problem.value;
  if (problem === null) return null;
  return (
    <Failed
      title={problem.status === 404 ? "This task is not here." : "The task did not load."}
      {...(problem.retryable ? { action: "Try again", onAction: () => view.retry() } : {})}
    >
      {problem.detail}
    </Failed>
  );
}
