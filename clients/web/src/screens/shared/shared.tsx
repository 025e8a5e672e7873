// A task that somebody shared: read-only, without an account, with what the sharer allowed to be seen.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { ProblemError } from "../../line/api.ts";
import type {
  EventPage,
  Problem,
  SharedParts,
  SharedTask,
  TaskState,
} from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import { storyOf } from "../../model/story/rows.ts";
import { Failed, Loading } from "../../parts/frame/notice.tsx";
import { useApp } from "../../state/app.ts";
import type { TaskView } from "../../state/tasks/tasks.ts";
import { Replay } from "../past/replay.tsx";
import "./shared.css";
import type { OpenTask } from "../task/use_task.ts";

const PAGE = 1000;
const STRANGER = { me: "", isStranger: true };

interface Loaded {
  readonly shared: SharedTask;
  readonly events: readonly StoredEvent[];
}

interface SharedProps {
  secret: string;
  version: number;
}

export function Shared({ secret, version }: SharedProps) {
  const { api } = useApp();
  const loaded = useSignal<Loaded | null>(null);
  const failure = useSignal<Problem | null>(null);
  const tries = useSignal(0);
  const base = `/v1/shared/${encodeURIComponent(secret)}`;
  useEffect(() => {
    const load = async () => {
      const shared = await api.get<SharedTask>(base);
      const events: StoredEvent[] = [];
      let after: number | null = 0;
      while (after !== null) {
        const page: EventPage = await api.get(`${base}/events`, { after, limit: PAGE });
        events.push(...(page.data as unknown as StoredEvent[]));
        after = page.next;
      }
      loaded.value = { shared, events };
    };
    failure.value = null;
    load().catch((error: unknown) => {
      if (!(error instanceof ProblemError)) throw error;
      failure.value = error.problem;
    });
  }, [base, tries.value]);
  const found = loaded.value;
  const task = useMemo(() => (found === null ? null : asOpenTask(found)), [found]);
  if (failure.value !== null) {
    const { detail, retryable } = failure.value;
    if (!retryable) return <Failed title="This link shows nothing.">{detail}</Failed>;
    return (
      <Failed
        title="This could not be loaded."
        action="Try again"
        onAction={() => {
          tries.value += 1;
        }}
      >
        {detail}
      </Failed>
    );
  }
  if (found === null || task === null) return <Loading rows={5} />;
  return (
    <div class="shared">
      <aside class="shared-note soft small" aria-label="About this page">
        Shared with you to read. {notShown(found.shared.parts)}
      </aside>
      <Replay
        task={task}
        events={found.events}
        version={version}
        people={STRANGER}
        account=""
        hasCosts={found.shared.parts.costs ?? false}
        pathOf={(shown) => `/shared/${secret}#v${shown}`}
      />
    </div>
  );
}

/** What whoever shared it left out, and what no link shows. */
function notShown({ commands = true, outputs, diffs, costs }: SharedParts): string {
  const missing = [
    commands ? "" : "commands",
    outputs ? "" : "their output",
    diffs ? "" : "changed lines",
    costs ? "" : "costs",
    "pictures",
  ].filter((part) => part !== "");
  const last = missing.pop() ?? "";
  const list = missing.length === 0 ? last : `${missing.join(", ")} and ${last}`;
  return `Not part of this link: ${list}.`;
}

/** The shared events in the shape that the story's rows read: nothing comes after them. */
function asOpenTask({ shared, events }: Loaded): OpenTask {
  const last = events.length;
  const story = signal(storyOf(events));
  const view: TaskView = {
    id: shared.state.id,
    state: signal<TaskState | null>(shared.state),
    events: signal(events),
    story,
    through: signal(last),
    kept: signal(last),
    following: signal("following"),
    passing: signal(new Map()),
    firstUnseen: 0,
    hasOlder: signal(false),
    problem: signal(null),
    loadOlder: () => Promise.resolve(),
    retry: () => {},
    at: () => Promise.reject(new Error("A shared task is read from its events.")),
    close: () => {},
  };
  return { view, story };
}
