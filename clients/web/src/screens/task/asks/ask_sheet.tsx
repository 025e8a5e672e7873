// The sheet of whatever was asked, by its request.
import { Sheet } from "../../../parts/frame/sheet.tsx";
import type { OpenTask } from "../use_task.ts";
import { ApprovalSheet } from "./approval/approval.tsx";
import { BudgetSheet } from "./budget.tsx";
import { BUDGET, findAsk } from "./find_ask.ts";
import { QuestionSheet } from "./question.tsx";
import { budgetRow } from "./use_ask_sheet.ts";

interface AskSheetProps {
  readonly task: OpenTask;
  readonly request: string;
  readonly onClose: () => void;
}

export function AskSheet({ task, request, onClose }: AskSheetProps) {
  const story = task.story.value;
  if (request === BUDGET) {
    const row = budgetRow(story);
    return row && <BudgetSheet task={task} row={row} onClose={onClose} />;
  }
  const row = findAsk(story, request);
  if (row === null) return <NotHere task={task} onClose={onClose} />;
  return row.kind === "approval" ? (
    <ApprovalSheet task={task} row={row} onClose={onClose} />
  ) : (
    <QuestionSheet task={task} row={row} onClose={onClose} />
  );
}

/** The link came before the event: on a cold start, or without a network. */
function NotHere({ task, onClose }: { task: OpenTask; onClose: () => void }) {
  const isHere = task.view.following.value === "following" && task.view.through.value > 0;
  return (
    <Sheet title="What is asked" onClose={onClose}>
      <p class="soft">
        {isHere
          ? "This was asked longer ago than what is on this phone. Scroll up in the story to see it."
          : "It is on its way to this phone …"}
      </p>
    </Sheet>
  );
}
