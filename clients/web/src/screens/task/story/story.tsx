// The story of a task: a list of rows that opens where the person left off.
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useCallback, useRef } from "preact/hooks";
import { Empty, Loading } from "../../../parts/frame/notice.tsx";
import {
  type ListHandle,
  VirtualList,
  type VisibleRows,
} from "../../../parts/list/virtual_list.tsx";
import { useApp } from "../../../state/app.ts";
import { TaskProblem } from "../details/task_problem.tsx";
import type { OpenTask } from "../use_task.ts";
import { AwayStrip } from "./away_strip.tsx";
import { guessHeight, type ListItem } from "./list_items.ts";
import { NewPill } from "./new_pill.tsx";
import { ItemView } from "./rows/item_view.tsx";
import { PendingView } from "./rows/pending_row.tsx";
import { RunningText } from "./running.tsx";
import { useItems } from "./use_items.ts";
import { useReadingPlace, useReadingStart } from "./use_reading_place.ts";
import { useSeen } from "./use_seen.ts";
import "./style/story_style.ts";

interface StoryProps {
  readonly task: OpenTask;
  /** Of the address: the story opens there; 0 for where the person left off. */
  readonly version: number;
}

export function StoryList({ task, version }: StoryProps) {
  const items = useItems(task);
  const handle = useRef<ListHandle | null>(null);
  const visible = useSignal<VisibleRows>({ first: 0, last: -1, isAtEnd: true });
  const start = useReadingStart(task, { items, version, handle });
  const loadOlder = useCallback(() => {
    if (task.view.hasOlder.peek()) void task.view.loadOlder();
  }, [task]);
  const onVisible = useCallback((rows: VisibleRows) => {
    visible.value = rows;
  }, []);
  if (items.length === 0) return <NoRows task={task} />;
  return (
    <div class="story">
      <VirtualList
        label="Story"
        rows={items}
        keyOf={keyOf}
        estimate={guessHeight}
        start={start}
        handle={handle}
        onVisible={onVisible}
        onNearStart={loadOlder}
      >
        {(item) => <ListItemView item={item} task={task} />}
      </VirtualList>
      <Reading
        task={task}
        items={items}
        visible={visible}
        onEnd={() => handle.current?.showEnd()}
      />
    </div>
  );
}

interface ReadingProps {
  readonly task: OpenTask;
  readonly items: readonly ListItem[];
  readonly visible: ReadonlySignal<VisibleRows>;
  readonly onEnd: () => void;
}

/** What follows the reader, apart from the list: it scrolls without being drawn again for this. */
function Reading({ task, items, visible, onEnd }: ReadingProps) {
  const rows = visible.value;
  useSeen(task, items, rows);
  const fresh = useReadingPlace(task, items, rows);
  return <NewPill count={fresh} isShown={!rows.isAtEnd} onPress={onEnd} />;
}

function keyOf(item: ListItem): string {
  return item.key;
}

function ListItemView({ item, task }: { item: ListItem; task: OpenTask }) {
  switch (item.kind) {
    case "pending":
      return <PendingView receipt={item.receipt} />;
    case "passing":
      return <RunningText piece={item.piece} />;
    case "away":
      return <AwayStrip task={task} />;
    default:
      return <ItemView item={item} />;
  }
}

function NoRows({ task }: { task: OpenTask }) {
  const { connection } = useApp();
  if (task.view.problem.value !== null) return <TaskProblem view={task.view} />;
  if (connection.status.value.kind === "offline") {
    return (
      <Empty icon="history" title="Not on this phone yet">
        The story of this task comes as soon as you are back online.
      </Empty>
    );
  }
  return (
    <div class="story-loading">
      <Loading rows={5} />
    </div>
  );
}
