// The life of an answer given here: kept, sent, in the log, acted on; each from a real event.

import {
  type AskRow,
  answerSteps,
  coveredCalls,
  coveredWords,
  sealOf,
} from "../../../model/asks/receipts.ts";
import { plain } from "../../../model/plain.ts";
import type { Receipt } from "../../../model/protocol/receipt.ts";
import type { ApprovalRow, Story } from "../../../model/story/rows.ts";
import { Icon } from "../../../parts/content/icon.tsx";
import { Button } from "../../../parts/controls/button.tsx";

interface AnswerLifeProps {
  readonly row: AskRow;
  readonly story: Story;
  readonly receipt: Receipt;
  readonly onClose: () => void;
}

export function AnswerLife({ row, story, receipt, onClose }: AnswerLifeProps) {
  const steps = answerSteps(row, receipt);
  const next = steps.findIndex((step) => !step.isDone);
  return (
    <div class="ask-actions">
      <p class="ask-answer">
        <strong class="wrap">{plain(answerWords(receipt.command.args))}</strong>
      </p>
      <ol class="answer-life" aria-live="polite">
        {steps.map(({ isDone, words }, place) => (
          <li key={place} class={isDone ? "done" : place === next ? "next" : ""}>
            {isDone ? <Icon name="check" size={18} /> : <span class="pulse" aria-hidden="true" />}
            <span class="numbers">{words}</span>
          </li>
        ))}
      </ol>
      {row.kind === "approval" && <Seal row={row} story={story} />}
      <Button onPress={onClose}>Close</Button>
    </div>
  );
}

function answerWords(args: object): string {
  if ("verdict" in args) {
    if (args.verdict === "deny") return "You denied it";
    return "scope" in args && args.scope === "task"
      ? "You allowed it for the task"
      : "You allowed it";
  }
  return "text" in args ? `You answered: ${args.text}` : "You answered";
}

/** What was allowed is what ran, both by their digest; and what ran later under the same answer. */
export function Seal({ row, story }: { row: ApprovalRow; story: Story }) {
  const seal = sealOf(row);
  if (seal === null) return null;
  const covered = coveredWords(coveredCalls(story.rows, row));
  return (
    <div class={seal.isSame ? "answer-seal small" : "answer-seal small broken"}>
      <Icon name={seal.isSame ? "shield" : "alert"} size={18} />
      <p>
        {seal.isSame ? "What was allowed is what ran: " : "What ran is not what was allowed: "}
        <code>{shortDigest(seal.allowed)}</code>
        {!seal.isSame && <code> {shortDigest(seal.ran)}</code>}
        {covered !== "" && <span class="soft"> {covered}.</span>}
      </p>
    </div>
  );
}

function shortDigest(digest: string): string {
  return digest.length <= 20 ? digest : `${digest.slice(0, 10)}…${digest.slice(-6)}`;
}
