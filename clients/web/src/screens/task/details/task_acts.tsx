// What can be done to a task as a whole; what cannot be taken back asks first.
import { useSignal } from "@preact/signals";
import { isEnded } from "../../../model/compose/composer.ts";
import type { TaskState } from "../../../model/generated/api.gen.ts";
import { Button } from "../../../parts/controls/button.tsx";
import { copyText } from "../../../parts/controls/copy.ts";
import { Confirm } from "../../../parts/frame/confirm.tsx";
import { lazy } from "../../../parts/frame/lazy.tsx";
import { toast } from "../../../parts/frame/toast.tsx";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";

const ShareSheet = lazy(() =>
  import("../../shared/share_sheet.tsx").then((module) => module.ShareSheet),
);

interface TaskActsProps {
  readonly task: OpenTask;
  readonly state: TaskState;
  readonly onClose: () => void;
}

export function TaskActs({ task: { view }, state, onClose }: TaskActsProps) {
  const { commands, router } = useApp();
  const isAsking = useSignal(false);
  const isSharing = useSignal(false);
  const hasEnded = isEnded(state.phase);
  const go = (path: string) => () => {
    onClose();
    router.go(path);
  };
  return (
    <div class="sheet-menu">
      <Button look="quiet" icon="history" onPress={go(`/t/${view.id}/past`)}>
        Go back in time
      </Button>
      <Button look="quiet" icon="plus" onPress={go(`/new?like=${encodeURIComponent(view.id)}`)}>
        New task like this
      </Button>
      <Button
        look="quiet"
        icon="share"
        onPress={() => {
          isSharing.value = true;
        }}
      >
        Share a replay …
      </Button>
      <Button
        look="quiet"
        icon="link"
        onPress={() => void copyText(`${location.origin}/t/${view.id}`, "Link copied.")}
      >
        Copy link
      </Button>
      {!hasEnded && state.waiting !== "instruction" && (
        <Button
          look="quiet"
          icon="stop"
          onPress={() => {
            commands.send("interrupt", view.id, {});
            onClose();
          }}
        >
          Stop what runs
        </Button>
      )}
      {hasEnded && !state.is_archived && (
        <Button
          look="quiet"
          icon="archive"
          onPress={() => {
            commands.send("archive", view.id, {});
            toast({ text: "Archived. An instruction brings the task back." });
            onClose();
          }}
        >
          Archive
        </Button>
      )}
      {!hasEnded && (
        <div class="details-cancel">
          <Button
            look="quiet"
            icon="trash"
            onPress={() => {
              isAsking.value = true;
            }}
          >
            Cancel the task …
          </Button>
        </div>
      )}
      {isSharing.value && (
        <ShareSheet
          task={view.id}
          onClose={() => {
            isSharing.value = false;
          }}
        />
      )}
      {isAsking.value && (
        <Confirm
          title="Cancel the task?"
          action="Cancel the task"
          onConfirm={() => {
            commands.send("cancel", view.id, {});
            onClose();
          }}
          onClose={() => {
            isAsking.value = false;
          }}
        >
          What runs is stopped, and its machine is given back. The story stays; an instruction takes
          the task up again.
        </Confirm>
      )}
    </div>
  );
}
