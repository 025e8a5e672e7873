// What can be done to a task from the list; each of it can be taken back, or asks first.

import type { Line } from "../../model/inbox/inbox.ts";
import { plain } from "../../model/plain.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";

const ENDED = new Set(["finished", "failed", "cancelled"]);

export function RowMenu({ line, onClose }: { line: Line; onClose: () => void }) {
  const { commands, inbox, router } = useApp();
  const act = (work: () => void) => () => {
    onClose();
    work();
  };
  return (
    <Sheet title={plain(line.title)} onClose={onClose}>
      <div class="menu">
        <Button
          look="quiet"
          icon="check"
          onPress={act(() => inbox.markSeen(line.task, line.version))}
        >
          Mark as seen
        </Button>
        <Button
          look="quiet"
          icon="plus"
          onPress={act(() => router.go(`/new?like=${encodeURIComponent(line.task)}`))}
        >
          New task like this
        </Button>
        {line.pull_request && (
          <Button
            look="quiet"
            icon="pull_request"
            onPress={act(() => window.open(line.pull_request?.url, "_blank", "noopener"))}
          >
            Open the pull request
          </Button>
        )}
        {ENDED.has(line.phase) && !line.is_archived && (
          <Button
            look="quiet"
            icon="archive"
            onPress={act(() => {
              commands.send("archive", line.task, {});
              toast({ text: "Archived. An instruction brings the task back." });
            })}
          >
            Archive
          </Button>
        )}
      </div>
    </Sheet>
  );
}
