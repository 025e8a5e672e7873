// The sheet of a question: options to tap, each undoable for a moment, or an answer in words.
import { useSignal } from "@preact/signals";
import { answerTo } from "../../../model/asks/receipts.ts";
import { plain } from "../../../model/plain.ts";
import type { QuestionRow } from "../../../model/story/rows.ts";
import { ENGLISH, time } from "../../../model/words/words.ts";
import { TextBox } from "../../../parts/composer/text_box.tsx";
import { Button } from "../../../parts/controls/button.tsx";
import { Sheet } from "../../../parts/frame/sheet.tsx";
import { useApp } from "../../../state/app.ts";
import { draftKey } from "../../../state/device/drafts.ts";
import type { OpenTask } from "../use_task.ts";
import { AnswerLife } from "./answer_life.tsx";
import { ClosedAsk, useWasOpen } from "./closed_ask.tsx";
import { useUndoable } from "./undoable.ts";
import "./asks.css";

interface QuestionSheetProps {
  readonly task: OpenTask;
  readonly row: QuestionRow;
  readonly onClose: () => void;
}

export function QuestionSheet({ task, row, onClose }: QuestionSheetProps) {
  const { commands, clock } = useApp();
  const { request } = row;
  const receipt = answerTo(commands.receipts.value, task.view.id, request);
  const story = task.story.value;
  const isClosed = row.answer !== null || row.closed !== "";
  const isNews = useWasOpen(!isClosed);
  const isOpen = !isClosed && receipt === null;
  return (
    <Sheet
      title="Question"
      over={`${ENGLISH.agent} asked at ${time(row.at, clock.now.value)} · #${row.from}`}
      onClose={onClose}
      actions={actions()}
    >
      <p class="question-text story-said wrap">{plain(row.text)}</p>
      {isOpen && <Options task={task.view.id} row={row} />}
    </Sheet>
  );

  function actions() {
    if (receipt !== null && receipt.state !== "refused") {
      return <AnswerLife row={row} story={story} receipt={receipt} onClose={onClose} />;
    }
    if (isClosed || receipt !== null) {
      return <ClosedAsk task={task.view.id} {...{ row, story, receipt, isNews, onClose }} />;
    }
    return <OwnWords task={task.view.id} row={row} />;
  }
}

function Options({ task, row }: { task: string; row: QuestionRow }) {
  const { commands } = useApp();
  const choice = useUndoable((text: string) => {
    commands.send("answer", task, { request: row.request, text });
  });
  return (
    <ul class="question-options">
      {row.options.map((option) => {
        const isChosen = choice.chosen === option;
        return (
          <li key={option}>
            <button
              type="button"
              class={isChosen ? "question-option chosen wrap" : "question-option wrap"}
              disabled={choice.chosen !== null && !isChosen}
              aria-pressed={isChosen}
              onClick={() => (isChosen ? choice.undo() : choice.choose(option))}
            >
              <span>{plain(option)}</span>
              {isChosen && <span class="question-undo numbers">Undo · {choice.secondsLeft} s</span>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** An answer that is none of the options; its text is a draft of its own. */
function OwnWords({ task, row }: { task: string; row: QuestionRow }) {
  const { commands, drafts } = useApp();
  const draft = drafts.get(draftKey(task, `answer ${row.request}`));
  const isOpen = useSignal(row.options.length === 0 || draft.text.peek() !== "");
  const send = () => {
    const text = draft.text.value.trim();
    if (text === "") return;
    commands.send("answer", task, { request: row.request, text }, { draft: draft.key });
  };
  if (!isOpen.value && draft.text.value === "") {
    return (
      <Button
        icon="edit"
        onPress={() => {
          isOpen.value = true;
        }}
      >
        Something else…
      </Button>
    );
  }
  return (
    <div class="ask-actions">
      <TextBox
        label="Your answer"
        placeholder="Your answer"
        value={draft.text.value}
        onInput={(text) => {
          draft.text.value = text;
        }}
        onSend={send}
      />
      <Button
        look="main"
        icon="send"
        disabled={draft.text.value.trim() === ""}
        onPress={send}
        keepsFocus
      >
        Send answer
      </Button>
    </div>
  );
}
