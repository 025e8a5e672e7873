// The composer of a task: the draft, what the button does, what waits in line, quick replies.
import { useEffect } from "preact/hooks";
import {
  type ComposerSituation,
  canChoose,
  composerHint,
  placeholder,
  primaryAction,
} from "../../../model/compose/composer.ts";
import { quickReplies } from "../../../model/compose/quick_replies.ts";
import { repliesOf } from "../../../model/compose/templates.ts";
import { isOnItsWay } from "../../../model/protocol/receipt.ts";
import { ModeChoice, QuickReplies } from "../../../parts/composer/choices.tsx";
import { Composer } from "../../../parts/composer/composer.tsx";
import { ImageRow, PickImages, pastedImages } from "../../../parts/content/images.tsx";
import { useApp } from "../../../state/app.ts";
import { draftKey } from "../../../state/device/drafts.ts";
import { commandReceipt } from "../asks/find_ask.ts";
import type { OpenTask } from "../use_task.ts";
import { Waiting } from "./waiting.tsx";

export function TaskComposer({ task }: { task: OpenTask }) {
  const { drafts, preferences, templates } = useApp();
  const { view } = task;
  useEffect(() => {
    if (templates.list.peek() === null) templates.load().catch(() => {}); // the log's are enough
  }, [templates]);
  const draft = drafts.get(draftKey(view.id, "instruction"));
  const situation = useSituation(task, draft.text.value, draft.images.value.length);
  const act = useAct(task, situation);
  const primary = primaryAction(situation);
  const isEmpty = draft.text.value === "" && draft.images.value.length === 0;
  return (
    <Composer
      text={draft.text.value}
      onText={(text) => {
        draft.text.value = text;
      }}
      placeholder={placeholder(situation)}
      primary={primary}
      onPrimary={act}
      hint={composerHint(situation)}
      onPaste={(event) => pastedImages(event, draft)}
      beside={<PickImages draft={draft} />}
    >
      <Waiting task={task} />
      {isEmpty && (
        <QuickReplies
          replies={quickReplies(task.story.value, situation, repliesOf(templates.list.value ?? []))}
          editPath="/settings/templates"
          onReply={(reply) => {
            draft.text.value = reply;
          }}
        />
      )}
      <ImageRow draft={draft} />
      {!isEmpty && canChoose(situation) && (
        <ModeChoice mode={situation.mode} onMode={(mode) => preferences.set({ mode })} />
      )}
    </Composer>
  );
}

function useSituation(task: OpenTask, text: string, images: number): ComposerSituation {
  const { commands, preferences } = useApp();
  const state = task.view.state.value;
  const stop = commandReceipt(commands.receipts.value, task.view.id, "interrupt");
  const isStopping =
    stop !== null &&
    (isOnItsWay(stop) || (stop.state === "logged" && stop.version > task.view.through.value));
  return {
    phase: state?.phase ?? "queued",
    waiting: state?.waiting ?? "",
    text,
    images,
    mode: preferences.values.value.mode,
    isStopping,
  };
}

/** The draft dies with the acknowledgement of its command; a stop leaves it alone. */
function useAct({ view }: OpenTask, situation: ComposerSituation): () => void {
  const { commands, drafts } = useApp();
  return () => {
    const draft = drafts.get(draftKey(view.id, "instruction"));
    const { action } = primaryAction(situation);
    if (action === "stop") commands.send("interrupt", view.id, {});
    if (action !== "send" && action !== "queue") return;
    const mode = action === "queue" ? "queue" : "steer";
    commands.send(
      "instruct",
      view.id,
      { text: draft.text.value.trim(), mode },
      { draft: draft.key },
    );
  };
}
