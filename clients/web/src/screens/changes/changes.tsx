// What the work has changed: the files first, then one file a page.

import { changesPath, inReadingOrder } from "../../model/changes/order.ts";
import type { WorkChange, WorkChanges } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import { plain } from "../../model/plain.ts";
import { ago } from "../../model/words/words.ts";
import { Icon } from "../../parts/content/icon.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Link } from "../../parts/controls/link.tsx";
import { Empty } from "../../parts/frame/notice.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import { TaskFrame } from "../task/frame.tsx";
import { type OpenTask, useTask } from "../task/use_task.ts";
import { FilePage } from "./file_page.tsx";
import "./changes.css";

export function Changes({ task: id, path }: { task: string; path: string }) {
  const task = useTask(id);
  const changes = useResource<WorkChanges>(`/v1/tasks/${encodeURIComponent(id)}/changes`);
  const shown = changes.data.value;
  if (path !== "" && shown !== null && shown.version > 0)
    return <FilePage task={id} path={path} changes={shown} />;
  return (
    <TaskFrame task={task} current="changes">
      {shown !== null && newestSnapshot(task.view.events.value) > shown.version && (
        <div class="changes-newer" role="status">
          <p>The work has gone on.</p>
          <Button onPress={() => void changes.reload()}>Show the newest</Button>
        </div>
      )}
      <ResourceView of={changes}>
        {(found) => <Files task={id} found={found} isWorking={isWorking(task)} />}
      </ResourceView>
    </TaskFrame>
  );
}

function newestSnapshot(events: readonly StoredEvent[]): number {
  return events.findLast((event) => event.type === "snapshot.taken")?.version ?? 0;
}

/** While it works, steps after the snapshot may have changed more. */
function isWorking({ view }: OpenTask): boolean {
  const phase = view.state.value?.phase;
  return phase === "working" || phase === "waiting";
}

interface FilesProps {
  task: string;
  found: WorkChanges;
  isWorking: boolean;
}

function Files({ task, found, isWorking }: FilesProps) {
  const { clock } = useApp();
  if (found.data.length === 0) {
    return (
      <Empty icon="document" title="Nothing has changed yet">
        The files appear here as soon as a step of the agent has changed one.
      </Empty>
    );
  }
  return (
    <>
      <p class="soft small numbers">
        {found.files} {found.files === 1 ? "file" : "files"} ·{" "}
        <span class="added">+{found.insertions}</span>{" "}
        <span class="removed">−{found.deletions}</span>
        {found.taken_at && ` · as of ${ago(found.taken_at, clock.now.value)}`}
        {isWorking &&
          found.calls_since > 0 &&
          ` · ${found.calls_since} ${found.calls_since === 1 ? "step" : "steps"} since, not in it yet`}
      </p>
      <ul class="changes-files">
        {inReadingOrder(found.data).map((file) => (
          <li key={file.path}>
            <FileLink task={task} file={file} />
          </li>
        ))}
      </ul>
      {found.files_left_out > 0 && (
        <p class="soft">{found.files_left_out} more files are too many to be listed here.</p>
      )}
      <LeftOut found={found} />
    </>
  );
}

const MARKS: Readonly<Record<WorkChange["change"], string>> = {
  added: "New",
  deleted: "Deleted",
  modified: "",
  renamed: "Renamed",
  type_changed: "Kind changed",
};

const CATEGORIES: Readonly<Record<WorkChange["category"], string>> = {
  "": "",
  test: "Test",
  lock: "Lock file",
  generated: "Generated",
};

function FileLink({ task, file }: { task: string; file: WorkChange }) {
  const folder = file.path.slice(0, file.path.lastIndexOf("/") + 1);
  const notes = [MARKS[file.change], CATEGORIES[file.category], file.is_guarded ? "Guarded" : ""];
  return (
    <Link to={changesPath(task, file.path)} class="changes-file">
      <span class="wrap">
        <span class="soft">{plain(folder)}</span>
        {plain(file.path.slice(folder.length))}
      </span>
      <span class="soft small numbers">
        {notes.filter((note) => note !== "").join(" · ")}
        {file.is_binary ? (
          " Binary"
        ) : (
          <>
            {" "}
            <span class="added">+{file.insertions}</span>{" "}
            <span class="removed">−{file.deletions}</span>
          </>
        )}
      </span>
      <Icon name="next" size={16} />
    </Link>
  );
}

function LeftOut({ found }: { found: WorkChanges }) {
  if (found.left_out.length === 0) return null;
  return (
    <details class="changes-left-out">
      <summary>Not part of the work</summary>
      <ul>
        {found.left_out.map((each) => (
          <li key={each.path} class="small wrap">
            {plain(each.path)} <span class="soft">{plain(each.reason).replaceAll("_", " ")}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
