// A task as it was: all of its history is loaded, then any version can be looked at.
import { forkPath } from "../../model/compose/new_task.ts";
import { IconButton } from "../../parts/controls/button.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { Loading } from "../../parts/frame/notice.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { TaskProblem } from "../task/details/task_problem.tsx";
import { usePeople } from "../task/use_people.ts";
import { useWholeTask } from "../task/use_whole_task.ts";
import { Replay } from "./replay.tsx";

interface PastProps {
  task: string;
  version: number;
}

export function Past({ task: id, version }: PastProps) {
  const { router, session } = useApp();
  const { task, events, isWhole } = useWholeTask(id);
  const people = usePeople();
  const onBack = () => router.up(`/t/${id}`);
  const problem = task.view.problem.value;
  if (isWhole) {
    return (
      <Replay
        task={task}
        events={events}
        version={version}
        people={people}
        account={session.me.value?.account ?? ""}
        onBack={onBack}
        under={<Freshness />}
        pathOf={(shown) => `/t/${id}/past#v${shown}`}
        actions={(shown) => (
          <>
            <IconButton
              icon="branch"
              label={`Fork from here (#${shown.value})`}
              onPress={() => router.go(forkPath({ task: id, at: shown.value }))}
            />
            <IconButton
              icon="link"
              label="Copy a link to this moment"
              onPress={() => void copyLink(id, shown.value)}
            />
          </>
        )}
      />
    );
  }
  return (
    <Screen title="History" onBack={onBack} tabs={<Freshness />}>
      {problem ? <TaskProblem view={task.view} /> : <Loading rows={5} />}
    </Screen>
  );
}

async function copyLink(task: string, version: number): Promise<void> {
  await navigator.clipboard.writeText(`${location.origin}/t/${task}/past#v${version}`);
  toast({ text: `The link to #${version} is copied.` });
}
