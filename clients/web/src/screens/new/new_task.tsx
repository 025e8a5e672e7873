// A new task: the prompt first, and everything else on one line of choices with the last used.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import {
  forkRequest,
  NO_CHOICES,
  type TaskChoices,
  taskRequest,
  whatIsMissing,
} from "../../model/compose/new_task.ts";
import { ImageRow, PickImages, pastedImages } from "../../parts/content/images.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { Tabs } from "../../parts/frame/tabs.tsx";
import { useApp } from "../../state/app.ts";
import { draftKey } from "../../state/device/drafts.ts";
import { choicesLike, takeShared } from "./beginnings.ts";
import { type ChoiceName, ChoiceSheet } from "./choice_sheet.tsx";
import { Choices } from "./choices.tsx";
import { ForkNote, useFork } from "./fork.tsx";
import { TemplateRow } from "./template_row.tsx";
import "./new_task.css";

export function NewTask() {
  const app = useApp();
  const fork = useFork((known) => change(known));
  const draft = app.drafts.get(fork ? draftKey(fork.task, "fork") : draftKey("", "prompt"));
  const choices = useSignal<TaskChoices>({
    ...NO_CHOICES,
    ...(fork ? {} : app.preferences.values.value.choices),
  });
  const opened = useSignal<ChoiceName | null>(null);
  const hint = useSignal("");
  const isShared = useMemo(() => new URLSearchParams(location.search).has("shared"), []);
  const change = (changed: Partial<TaskChoices>) => {
    choices.value = { ...choices.value, ...changed };
    hint.value = "";
  };
  useEffect(() => {
    const query = new URLSearchParams(location.search);
    void choicesLike(app, query.get("like") ?? "").then((found) => {
      if (found !== null) {
        change(found.choices);
        if (draft.text.value === "") draft.text.value = found.prompt;
      }
    });
    if (isShared) void takeShared(draft);
  }, []);

  const submit = () => {
    const prompt = draft.text.value;
    hint.value = whatIsMissing(prompt, choices.value, fork !== null);
    if (hint.value !== "") {
      if (choices.value.repository === "") opened.value = "repository";
      return;
    }
    const options = { draft: draft.key };
    if (fork) {
      const args = forkRequest(prompt, fork.at, choices.value, fork.like.value);
      app.commands.send("fork", fork.task, args, options);
    } else {
      app.preferences.set({ choices: choices.value });
      app.commands.send("submit", "", taskRequest(prompt, choices.value), options);
    }
    app.router.go("/", { replace: true });
  };

  return (
    <Screen
      title={fork ? "Fork a task" : "New task"}
      tabs={<Freshness />}
      foot={<Tabs current="new" />}
    >
      <form
        class="new-task"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {fork && <ForkNote fork={fork} />}
        <label class="unseen" for="prompt">
          What is to be done
        </label>
        <textarea
          id="prompt"
          class="new-task-prompt"
          placeholder="What is to be done? A sentence is enough; say how you will know that it is done."
          value={draft.text.value}
          rows={5}
          onInput={(event) => {
            draft.text.value = event.currentTarget.value;
            hint.value = "";
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
          }}
          onPaste={(event) => pastedImages(event, draft)}
        />
        <ImageRow draft={draft} />
        {isShared && draft.text.value !== "" && (
          <p class="note small" role="status">
            This came from another app or page. Read it before you send it.
          </p>
        )}
        {fork === null && (
          <TemplateRow
            prompt={draft.text.value}
            choices={choices.value}
            onUse={(prompt, chosen) => {
              draft.text.value = prompt;
              change(chosen);
            }}
          />
        )}
        <Choices
          choices={choices.value}
          isFork={fork !== null}
          onOpen={(name) => {
            opened.value = name;
          }}
        />
        {hint.value && (
          <p class="field-error" role="alert">
            {hint.value}
          </p>
        )}
        <div class="new-task-actions">
          <PickImages draft={draft} />
          <Button look="main" icon="send" onPress={submit} keepsFocus>
            Send task
          </Button>
        </div>
      </form>
      {opened.value !== null && (
        <ChoiceSheet
          name={opened.value}
          choices={choices.value}
          onChange={change}
          onClose={() => {
            opened.value = null;
          }}
        />
      )}
    </Screen>
  );
}
