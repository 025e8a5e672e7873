// Instructions that wait for the agent: edited and withdrawn as long as it has not read them.
import { useSignal } from "@preact/signals";
import { plain } from "../../../model/plain.ts";
import type { PersonRow } from "../../../model/story/rows.ts";
import { Queued } from "../../../parts/composer/queued.tsx";
import { TextBox } from "../../../parts/composer/text_box.tsx";
import { Button } from "../../../parts/controls/button.tsx";
import { Sheet } from "../../../parts/frame/sheet.tsx";
import { useApp } from "../../../state/app.ts";
import { draftKey } from "../../../state/device/drafts.ts";
import type { OpenTask } from "../use_task.ts";

export function Waiting({ task }: { task: OpenTask }) {
  const { commands } = useApp();
  const edited = useSignal<PersonRow | null>(null);
  const waiting = task.story.value.rows.filter(
    (row): row is PersonRow =>
      row.kind === "person" && row.mode === "queue" && row.takenUp === 0 && row.withdrawn === null,
  );
  const find = (key: string) => waiting.find((row) => row.key === key);
  return (
    <>
      <Queued
        instructions={waiting.map((row) => ({
          key: row.key,
          text: plain(row.text),
        }))}
        onEdit={(key) => {
          edited.value = find(key) ?? null;
        }}
        onWithdraw={(key) => {
          const row = find(key);
          if (row) commands.send("withdraw_instruction", task.view.id, { instruction: row.from });
        }}
      />
      {edited.value !== null && (
        <EditSheet
          task={task.view.id}
          row={edited.value}
          onClose={() => {
            edited.value = null;
          }}
        />
      )}
    </>
  );
}

interface EditSheetProps {
  readonly task: string;
  readonly row: PersonRow;
  readonly onClose: () => void;
}

function EditSheet({ task, row, onClose }: EditSheetProps) {
  const { commands, drafts } = useApp();
  const draft = drafts.get(draftKey(task, `edit ${row.from}`));
  const text = draft.text.value === "" ? row.text : draft.text.value;
  const save = () => {
    const args = { instruction: row.from, text: text.trim() };
    commands.send("edit_instruction", task, args, { draft: draft.key });
    onClose();
  };
  return (
    <Sheet
      title="Edit the instruction"
      onClose={onClose}
      actions={
        <Button look="main" disabled={text.trim() === ""} onPress={save} keepsFocus>
          Save
        </Button>
      }
    >
      <TextBox
        label="New text"
        value={text}
        onInput={(value) => {
          draft.text.value = value;
        }}
        onSend={save}
      />
    </Sheet>
  );
}
