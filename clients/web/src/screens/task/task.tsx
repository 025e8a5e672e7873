// The screen of a task: its story, what waits for the person, and where they write.
import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import type { Call, StoryItem } from "../../model/story/rows.ts";
import { AskSheet } from "./asks/ask_sheet.tsx";
import { AskDock } from "./asks/dock.tsx";
import { useAskSheet } from "./asks/use_ask_sheet.ts";
import { useBoundaries } from "./boundaries.ts";
import { TaskComposer } from "./compose/task_composer.tsx";
import { TaskFrame } from "./frame.tsx";
import { CallSheet } from "./story/call_sheet.tsx";
import { RowMenu } from "./story/rows/row_menu.tsx";
import { StoryList } from "./story/story.tsx";
import { type StoryScope, StoryScopeContext } from "./story/story_context.ts";
import { usePeople } from "./use_people.ts";
import { useTask } from "./use_task.ts";

interface TaskProps {
  readonly task: string;
  /** The request of an ask to open first; empty for none. */
  readonly ask: string;
  /** The moment to open at; 0 for where the person left off. */
  readonly version: number;
}

export function Task({ task: id, ask, version }: TaskProps) {
  const task = useTask(id);
  const sheet = useAskSheet(task, ask);
  const menu = useSignal<StoryItem | null>(null);
  const call = useSignal<Call | null>(null);
  const opened = useSignal<ReadonlySet<string>>(new Set());
  const foot = useRef<HTMLDivElement>(null);
  const people = usePeople();
  useBoundaries(task);
  const scope = useMemo<StoryScope>(
    () => ({
      task,
      people,
      opened,
      isReadOnly: false,
      showMenu: (item) => {
        menu.value = item;
      },
      showCall: (shown) => {
        call.value = shown;
      },
      showAsk: sheet.show,
    }),
    [task, people.me],
  );
  const isOpen = task.view.state.value !== null;
  return (
    <StoryScopeContext.Provider value={scope}>
      <TaskFrame
        task={task}
        current="story"
        isFixed
        foot={
          <div ref={foot}>
            {sheet.waiting !== null && sheet.shown === "" && (
              <AskDock ask={sheet.waiting} onOpen={() => sheet.show(sheet.waiting!.request)} />
            )}
            {isOpen && <TaskComposer task={task} />}
          </div>
        }
      >
        <StoryList task={task} version={version} />
      </TaskFrame>
      {sheet.shown !== "" && (
        <AskSheet key={sheet.shown} task={task} request={sheet.shown} onClose={sheet.close} />
      )}
      {menu.value !== null && (
        <RowMenu
          item={menu.value}
          task={id}
          onClose={() => {
            menu.value = null;
          }}
        />
      )}
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
