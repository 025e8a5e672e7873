// A history at any of its versions: the story up to there, and a scrubber to go through it.
import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { foldAll } from "../../model/fold/fold.ts";
import type { TaskState } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import { plain } from "../../model/plain.ts";
import { type Call, foldStory, type StoryItem, storyOf } from "../../model/story/rows.ts";
import { exactTime, type People } from "../../model/words/words.ts";
import { Segments } from "../../parts/controls/segments.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { type ListHandle, VirtualList } from "../../parts/list/virtual_list.tsx";
import { PlanItems } from "../task/plan_items.tsx";
import { CallSheet } from "../task/story/call_sheet.tsx";
import { guessHeight } from "../task/story/list_items.ts";
import { ItemView } from "../task/story/rows/item_view.tsx";
import { type StoryScope, StoryScopeContext } from "../task/story/story_context.ts";
import type { OpenTask } from "../task/use_task.ts";
import { Figures } from "./figures.tsx";
import { Scrubber } from "./scrubber.tsx";
import "../task/story/style/story_style.ts";
import "../task/task.css";
import "./past.css";

export interface ReplayProps {
  readonly task: OpenTask;
  /** All events from version 1 on. */
  readonly events: readonly StoredEvent[];
  /** The version to begin at; 0 for the last. */
  readonly version: number;
  readonly people: People;
  /** Whose task it is; empty for a shared one. */
  readonly account: string;
  readonly onBack?: (() => void) | undefined;
  /** A link may leave the money out. */
  readonly hasCosts?: boolean;
  /** The address of a version, to be kept in the address bar. */
  readonly pathOf: (version: number) => string;
  readonly actions?: (version: ReadonlySignal<number>) => ComponentChildren;
  /** Under the header's tabs. */
  readonly under?: ComponentChildren;
}

type View = "story" | "plan";

export function Replay(props: ReplayProps) {
  const { account, events, pathOf } = props;
  const last = events.length;
  const version = useSignal(props.version > 0 ? Math.min(props.version, last) : last);
  const view = useSignal<View>("story");
  const until = useComputed(() => events.slice(0, version.value));
  const state = useComputed(() => foldAll(null, until.value, account));
  const shown = version.value;
  useEffect(() => {
    const timer = setTimeout(() => history.replaceState(history.state, "", pathOf(shown)), 300);
    return () => clearTimeout(timer);
  }, [shown]);
  const at = until.value.at(-1)?.at;
  return (
    <Screen
      title={plain(state.value?.title ?? "Task")}
      under={at ? `As it was at #${shown}, ${exactTime(at)}` : ""}
      onBack={props.onBack}
      actions={props.actions?.(version)}
      tabs={
        <>
          {props.under}
          <Segments
            label="Parts of the task"
            current={view.value}
            onGo={(path) => {
              view.value = path as View;
            }}
            segments={[
              { name: "Story", path: "story" },
              { name: "Plan", path: "plan", count: state.value?.plan?.length ?? 0 },
            ]}
          />
          <Figures state={state.value} hasCosts={props.hasCosts ?? true} />
        </>
      }
      foot={<Scrubber events={events} version={version} />}
      isFixed
    >
      <div class="past-frame">
        {view.value === "story" ? (
          <PastStory {...props} until={until.value} />
        ) : (
          <PastPlan state={state.value} />
        )}
      </div>
    </Screen>
  );
}

function PastStory({ task, people, until }: ReplayProps & { until: readonly StoredEvent[] }) {
  const opened = useSignal<ReadonlySet<string>>(new Set());
  const call = useSignal<Call | null>(null);
  const handle = useRef<ListHandle | null>(null);
  const rows = useMemo(
    () => foldStory(storyOf(until), { seen: until.length, unfolded: opened.value }),
    [until, opened.value],
  );
  const scope = useMemo<StoryScope>(
    () => ({
      task,
      people,
      opened,
      isReadOnly: true,
      showMenu: () => {},
      showCall: (chosen) => {
        call.value = chosen;
      },
      showAsk: () => {},
    }),
    [task, people.me],
  );
  useEffect(() => handle.current?.showEnd(), [until.length]);
  return (
    <StoryScopeContext.Provider value={scope}>
      <VirtualList
        label="Story"
        rows={rows}
        keyOf={keyOf}
        estimate={guessHeight}
        start={-1}
        handle={handle}
        onVisible={() => {}}
        onNearStart={() => {}}
      >
        {(item) => <ItemView item={item} />}
      </VirtualList>
      {call.value !== null && (
        <CallSheet
          call={call.value}
          onClose={() => {
            call.value = null;
          }}
        />
      )}
    </StoryScopeContext.Provider>
  );
}

function keyOf(item: StoryItem): string {
  return item.key;
}

function PastPlan({ state }: { state: TaskState | null }) {
  const plan = state?.plan ?? [];
  if (plan.length === 0) return <p class="past-none soft">There was no plan yet.</p>;
  return (
    <div class="past-plan">
      <PlanItems items={plan} />
    </div>
  );
}
