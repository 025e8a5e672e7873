// The three answers to an approval; none that allows is armed before the end was on the screen.
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { ApprovalScope, Verdict } from "../../../../model/generated/events.gen.ts";
import { plain } from "../../../../model/plain.ts";
import type { ApprovalRow } from "../../../../model/story/rows.ts";
import { TextBox } from "../../../../parts/composer/text_box.tsx";
import { Button, IconButton } from "../../../../parts/controls/button.tsx";
import { useApp } from "../../../../state/app.ts";
import { draftKey } from "../../../../state/device/drafts.ts";
import type { useSeenEnd } from "./seen_end.ts";

interface ApprovalActionsProps {
  readonly task: string;
  readonly row: ApprovalRow;
  readonly end: ReturnType<typeof useSeenEnd>;
}

export function ApprovalActions({ task, row, end }: ApprovalActionsProps) {
  const { commands, drafts } = useApp();
  const draft = drafts.get(draftKey(task, `reason ${row.request}`));
  const hasReason = useSignal(draft.text.peek() !== "");
  const hint = useId();
  const answer = (verdict: Verdict, scope: ApprovalScope) => {
    const { request, digest } = row;
    const reason = verdict === "deny" ? draft.text.value.trim() : "";
    const args = { request, digest, verdict, scope, ...(reason === "" ? {} : { reason }) };
    commands.send("approve", task, args, reason === "" ? {} : { draft: draft.key });
  };
  const allow = { disabled: !end.isArmed, describedBy: hint };
  return (
    <div class="ask-actions">
      {!end.isArmed && (
        <p id={hint} class="ask-hint soft small">
          <span>Read to the end first.</span>
          <Button look="quiet" onPress={end.showEnd}>
            Show the end
          </Button>
        </p>
      )}
      <Button look="main" onPress={() => answer("allow", "once")} {...allow}>
        Allow once
      </Button>
      <Button onPress={() => answer("allow", "task")} {...allow}>
        Allow for the task
        <span class="ask-covers small soft">Also later: {plain(row.covers)}</span>
      </Button>
      {(hasReason.value || draft.text.value !== "") && (
        <TextBox
          label="Why not"
          placeholder="Why not? Claude reads it."
          value={draft.text.value}
          onInput={(text) => {
            draft.text.value = text;
          }}
          onSend={() => answer("deny", "once")}
        />
      )}
      <div class="ask-deny">
        <Button look="bad" onPress={() => answer("deny", "once")} keepsFocus>
          Deny
        </Button>
        <IconButton
          icon="edit"
          label="Deny with a reason"
          look="plain"
          onPress={() => {
            hasReason.value = !hasReason.value;
          }}
        />
      </div>
    </div>
  );
}
