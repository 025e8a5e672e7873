// The frame of a task's screens: two lines of header, how fresh it is, and Story · Changes · Plan.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { plain } from "../../model/plain.ts";
import { IconButton } from "../../parts/controls/button.tsx";
import { Segments } from "../../parts/controls/segments.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { useApp } from "../../state/app.ts";
import { DetailsSheet } from "./details/details_sheet.tsx";
import { HowFresh } from "./how_fresh.tsx";
import { TruthLine } from "./truth_line.tsx";
import type { OpenTask } from "./use_task.ts";
import "./task.css";

interface TaskFrameProps {
  readonly task: OpenTask;
  readonly current: "changes" | "plan" | "story";
  readonly children: ComponentChildren;
  readonly foot?: ComponentChildren;
  /** The content scrolls by itself. */
  readonly isFixed?: boolean;
}

export function TaskFrame({ task, current, children, foot, isFixed = false }: TaskFrameProps) {
  const { router } = useApp();
  const isDetailed = useSignal(false);
  const state = task.view.state.value;
  return (
    <Screen
      title={state === null ? "Task" : plain(state.title)}
      under={<TruthLine task={task} />}
      onBack={() => router.up("/")}
      actions={
        <IconButton
          icon="more"
          label="Details of the task"
          onPress={() => {
            isDetailed.value = true;
          }}
        />
      }
      tabs={<Tabs task={task} current={current} />}
      foot={foot}
      isFixed={isFixed}
    >
      {children}
      {isDetailed.value && (
        <DetailsSheet
          task={task}
          onClose={() => {
            isDetailed.value = false;
          }}
        />
      )}
    </Screen>
  );
}

function Tabs({ task, current }: { task: OpenTask; current: TaskFrameProps["current"] }) {
  const { router } = useApp();
  const state = task.view.state.value;
  const base = `/t/${task.view.id}`;
  const paths = { story: base, changes: `${base}/changes`, plan: `${base}/plan` };
  return (
    <>
      <Segments
        label="Parts of the task"
        current={paths[current]}
        onGo={(path) => router.go(path, { replace: true })}
        segments={[
          { name: "Story", path: paths.story },
          { name: "Changes", path: paths.changes, count: state?.files_changed ?? 0 },
          { name: "Plan", path: paths.plan },
        ]}
      />
      <Freshness />
      <HowFresh task={task} />
    </>
  );
}
