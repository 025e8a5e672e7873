// One changed file: its patch, unified, with the new line's number and what changed in a line marked.
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { changesPath, inReadingOrder } from "../../model/changes/order.ts";
import type { WorkChanges, WorkPatch } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { type ChosenLine, Diff } from "../../parts/content/diff.tsx";
import { Button, IconButton } from "../../parts/controls/button.tsx";
import { swiping } from "../../parts/controls/swipe.ts";
import { Empty } from "../../parts/frame/notice.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import { LineSheet } from "./line_sheet.tsx";

interface FilePageProps {
  task: string;
  path: string;
  changes: WorkChanges;
}

export function FilePage({ task, path, changes }: FilePageProps) {
  const { preferences, router } = useApp();
  const files = inReadingOrder(changes.data);
  const place = files.findIndex((file) => file.path === path);
  const patch = useResource<WorkPatch>(`/v1/tasks/${encodeURIComponent(task)}/changes/patch`, {
    path,
    at: changes.version,
  });
  const chosen = useSignal<ChosenLine | null>(null);
  const show = (step: number) => {
    const file = files[place + step];
    if (file !== undefined) router.go(changesPath(task, file.path), { replace: true });
  };
  const swipe = useMemo(() => swiping(show), [place, files.length]);
  const { wrap } = preferences.values.value;
  return (
    <Screen
      title={<span class="file-title">{plain(path.slice(path.lastIndexOf("/") + 1))}</span>}
      under={
        <span class="wrap">{plain(path.slice(0, path.lastIndexOf("/") + 1)) || "At the top"}</span>
      }
      onBack={() => router.up(changesPath(task))}
      actions={
        <IconButton
          icon={wrap ? "expand" : "down"}
          label={wrap ? "Do not wrap lines" : "Wrap lines"}
          onPress={() => preferences.set({ wrap: !wrap })}
        />
      }
      foot={
        files.length > 1 && (
          <div class="file-steps">
            <Button look="quiet" disabled={place <= 0} onPress={() => show(-1)}>
              Previous
            </Button>
            <span class="soft numbers">
              {place + 1} of {files.length}
            </span>
            <Button look="quiet" disabled={place >= files.length - 1} onPress={() => show(1)}>
              Next
            </Button>
          </div>
        )
      }
    >
      <div class="file-content" {...(wrap ? swipe : {})}>
        <ResourceView of={patch}>
          {(found) => (
            <FileContent
              found={found}
              isWrapped={wrap}
              onLine={(line) => {
                chosen.value = line;
              }}
            />
          )}
        </ResourceView>
      </div>
      {chosen.value !== null && (
        <LineSheet
          task={task}
          path={path}
          version={changes.version}
          line={chosen.value}
          onClose={() => {
            chosen.value = null;
          }}
        />
      )}
    </Screen>
  );
}

interface FileContentProps {
  found: WorkPatch;
  isWrapped: boolean;
  onLine: (line: ChosenLine) => void;
}

function FileContent({ found, isWrapped, onLine }: FileContentProps) {
  const { file, patch } = found;
  if (file.is_binary) return <Empty icon="image" title="This is a binary file" />;
  return (
    <>
      {file.previous_path && <p class="soft small wrap">Was {plain(file.previous_path)}</p>}
      {file.old_mode !== file.new_mode && file.old_mode !== "" && file.new_mode !== "" && (
        <p class="soft small">
          Mode {file.old_mode} is now {file.new_mode}.
        </p>
      )}
      {patch === "" ? (
        <Empty icon="document" title="No line of it has changed" />
      ) : (
        <Diff patch={patch} path={file.path} isWrapped={isWrapped} onLine={onLine} />
      )}
      {file.is_truncated && (
        <p class="field-error">
          The patch is too long to be kept whole; this is its beginning. The branch has all of it.
        </p>
      )}
    </>
  );
}
