// Search in all tasks of the account: titles, prompts, what was said, repositories.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { TaskState } from "../../model/generated/api.gen.ts";
import { repositoryName } from "../../model/inbox/inbox.ts";
import { plain } from "../../model/plain.ts";
import { ago, truth } from "../../model/words/words.ts";
import { Link } from "../../parts/controls/link.tsx";
import { Empty, Failed, Loading } from "../../parts/frame/notice.tsx";
import { useApp } from "../../state/app.ts";

const PAUSE_MS = 250;

export function Search({ current }: { current: string }) {
  const { inbox } = useApp();
  const text = useSignal("");
  const found = useSignal<readonly TaskState[] | null>(null);
  const failure = useSignal("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);

  useEffect(() => {
    const wanted = text.value.trim();
    failure.value = "";
    if (wanted === "") {
      found.value = null;
      return;
    }
    let isCurrent = true;
    const timer = setTimeout(() => {
      inbox.search(wanted).then(
        (tasks) => {
          if (isCurrent) found.value = tasks;
        },
        (error: Error) => {
          if (isCurrent) failure.value = error.message;
        },
      );
    }, PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [text.value]);

  return (
    <>
      <input
        ref={field}
        class="text-input"
        type="search"
        aria-label="Search tasks"
        placeholder="Title, words of the conversation, repository"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <Results text={text.value} found={found.value} failure={failure.value} current={current} />
    </>
  );
}

interface ResultsProps {
  text: string;
  found: readonly TaskState[] | null;
  failure: string;
  current: string;
}

function Results({ text, found, failure, current }: ResultsProps) {
  const { clock } = useApp();
  if (failure !== "") return <Failed title="The search did not work.">{failure}</Failed>;
  if (text.trim() === "") return null;
  if (found === null) return <Loading rows={4} />;
  if (found.length === 0) {
    return <Empty icon="search" title="No task has these words" />;
  }
  return (
    <ul class="inbox-found">
      {found.map((task) => (
        <li key={task.id} class={task.id === current ? "task-row current" : "task-row"}>
          <Link to={`/t/${task.id}`} class="task-row-link">
            <span class="task-row-title">{plain(task.title)}</span>
            <span class="task-row-facts soft small numbers">
              <span>{truth(task, { now: clock.now.value }).what}</span>
              <span class="wrap">{repositoryName(task.repository.url)}</span>
              <span>{ago(task.updated_at, clock.now.value)}</span>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
