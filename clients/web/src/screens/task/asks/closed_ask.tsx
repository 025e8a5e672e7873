// An ask that can no longer be answered here: by whom it was, when, and what they said.
import { useRef } from "preact/hooks";
import { type AskRow, closedSentence } from "../../../model/asks/receipts.ts";
import { plain } from "../../../model/plain.ts";
import type { Receipt } from "../../../model/protocol/receipt.ts";
import type { Story } from "../../../model/story/rows.ts";
import {
  approvalReceipt,
  type Moment,
  type People,
  questionReceipt,
} from "../../../model/words/words.ts";
import { Icon } from "../../../parts/content/icon.tsx";
import { Button } from "../../../parts/controls/button.tsx";
import { useApp } from "../../../state/app.ts";
import { usePeople } from "../use_people.ts";
import { Seal } from "./answer_life.tsx";
import { Unsaid } from "./unsaid.tsx";

interface ClosedAskProps {
  readonly task: string;
  readonly row: AskRow;
  readonly story: Story;
  /** An answer from here that was refused. */
  readonly receipt: Receipt | null;
  /** It was closed while somebody looked at it. */
  readonly isNews: boolean;
  readonly onClose: () => void;
}

export function ClosedAsk({ task, row, story, receipt, isNews, onClose }: ClosedAskProps) {
  const { clock } = useApp();
  const people = usePeople();
  const moment = { now: clock.now.value };
  const before = isNews ? "" : receiptOf(row, people, moment);
  const sentence = before === "" ? closedSentence(row, people, moment) : before;
  const problem = receipt?.state === "refused" ? receipt.problem : null;
  const isAllowed = row.kind === "question" || row.answer?.verdict === "allow";
  return (
    <div class="ask-actions">
      {sentence !== "" && (
        <p class="ask-closed" role="status">
          <Icon name={isAllowed ? "check" : "close"} size={20} />
          <span class="wrap">{sentence}</span>
        </p>
      )}
      {problem !== null && <p class="small soft wrap">{plain(problem.detail)}</p>}
      {row.kind === "approval" && <Seal row={row} story={story} />}
      <Unsaid task={task} row={row} onClose={onClose} />
      <Button onPress={onClose}>Close</Button>
    </div>
  );
}

function receiptOf(row: AskRow, people: People, moment: Moment): string {
  if (row.answer === null) return "";
  return row.kind === "approval"
    ? approvalReceipt(row, people, moment)
    : questionReceipt(row, people, moment);
}

/** Whether it was open when the sheet was. */
export function useWasOpen(isOpen: boolean): boolean {
  return useRef(isOpen).current;
}
