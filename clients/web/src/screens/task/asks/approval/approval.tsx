// The sheet of an approval: all that the call would do, then the answer, then what became of it.

import { answerTo } from "../../../../model/asks/receipts.ts";
import { plain } from "../../../../model/plain.ts";
import type { ApprovalRow } from "../../../../model/story/rows.ts";
import { duration, ENGLISH, time } from "../../../../model/words/words.ts";
import { Sheet } from "../../../../parts/frame/sheet.tsx";
import { useApp } from "../../../../state/app.ts";
import type { OpenTask } from "../../use_task.ts";
import { AnswerLife } from "../answer_life.tsx";
import { ClosedAsk, useWasOpen } from "../closed_ask.tsx";
import { ApprovalActions } from "./approval_actions.tsx";
import { ApprovalContent } from "./approval_content.tsx";
import { useSeenEnd } from "./seen_end.ts";
import "../asks.css";

interface ApprovalSheetProps {
  readonly task: OpenTask;
  readonly row: ApprovalRow;
  readonly onClose: () => void;
}

export function ApprovalSheet({ task, row, onClose }: ApprovalSheetProps) {
  const { commands, clock } = useApp();
  const end = useSeenEnd(row.digest);
  const receipt = answerTo(commands.receipts.value, task.view.id, row.request);
  const isExpired = Date.parse(row.expiresAt) <= clock.now.value;
  const story = task.story.value;
  const isClosed = row.answer !== null || row.closed !== "" || isExpired;
  const isNews = useWasOpen(!isClosed);
  return (
    <Sheet
      title={title(row)}
      over={over(row, clock.now.value, isClosed)}
      onClose={onClose}
      actions={actions()}
    >
      <ApprovalContent task={task} row={row} endMark={end.mark} />
    </Sheet>
  );

  function actions() {
    if (receipt !== null && receipt.state !== "refused") {
      return <AnswerLife row={row} story={story} receipt={receipt} onClose={onClose} />;
    }
    if (isClosed || receipt !== null) {
      return <ClosedAsk task={task.view.id} {...{ row, story, receipt, isNews, onClose }} />;
    }
    return <ApprovalActions task={task.view.id} row={row} end={end} />;
  }
}

/** A command stands below, whole: its title need not say it again. */
function title(row: ApprovalRow): string {
  const isCommand = row.command !== "" && row.title.startsWith("$ ");
  return isCommand ? "Allow this command?" : `Allow: ${plain(row.title)}`;
}

/** Who asks since when, and how long it stays open. */
function over(row: ApprovalRow, now: number, isClosed: boolean): string {
  const asked = `${ENGLISH.agent} asked at ${time(row.at, now)}`;
  if (isClosed) return `${asked} · #${row.from}`;
  return `${asked} · open for ${duration((Date.parse(row.expiresAt) - now) / 1000)}`;
}
