// What was asked of a person: a card while it is open, a receipt once it is not.
import { plain } from "../../../../model/plain.ts";
import type { ApprovalRow, BudgetRow, QuestionRow } from "../../../../model/story/rows.ts";
import {
  approvalReceipt,
  budgetLine,
  isMe,
  questionReceipt,
} from "../../../../model/words/words.ts";
import { Icon } from "../../../../parts/content/icon.tsx";
import { Button } from "../../../../parts/controls/button.tsx";
import { useApp } from "../../../../state/app.ts";
import { useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

export function ApprovalView({ row }: { row: ApprovalRow }) {
  const { isReadOnly, people, showAsk } = useStory();
  const { clock } = useApp();
  const open = isReadOnly ? undefined : () => showAsk(row.request);
  if (row.answer === null && row.closed === "") {
    return (
      <StoryRow item={row} look="ask">
        <p class="story-ask-title wrap">
          <Icon name="shield" size={18} /> Allow: {plain(row.title)}
        </p>
        {open && <Button onPress={open}>Review</Button>}
      </StoryRow>
    );
  }
  const isAllowed = row.answer?.verdict === "allow";
  return (
    <StoryRow item={row} look="receipt">
      <StoryLine icon={isAllowed ? "check" : "close"} tone={isAllowed ? "good" : ""} onPress={open}>
        <span class="wrap">{plain(row.title)}</span>
        <span class="story-receipt soft">
          {approvalReceipt(row, people, { now: clock.now.peek() })}
          {row.answer !== null && isMe(row.answer.by, people) && ` · #${row.answer.version}`}
        </span>
      </StoryLine>
    </StoryRow>
  );
}

export function QuestionView({ row }: { row: QuestionRow }) {
  const { isReadOnly, people, showAsk } = useStory();
  const { clock } = useApp();
  const isOpen = row.answer === null && row.closed === "";
  return (
    <StoryRow item={row} look="ask">
      <p class="story-ask-title wrap">
        <Icon name="question" size={18} /> <span class="story-said">{plain(row.text)}</span>
      </p>
      {row.options.length > 0 && (
        <ul class="story-options">
          {row.options.map((option) => (
            <li key={option} class={option === row.answer?.text ? "chosen wrap" : "wrap"}>
              {option === row.answer?.text && <Icon name="check" size={16} label="Chosen" />}
              {plain(option)}
            </li>
          ))}
        </ul>
      )}
      {row.answer !== null && !row.options.includes(row.answer.text) && (
        <p class="story-answer story-said wrap">{plain(row.answer.text)}</p>
      )}
      {isOpen && !isReadOnly && <Button onPress={() => showAsk(row.request)}>Answer</Button>}
      {!isOpen && (
        <p class="soft small numbers">{questionReceipt(row, people, { now: clock.now.peek() })}</p>
      )}
    </StoryRow>
  );
}

export function BudgetView({ row }: { row: BudgetRow }) {
  const { isReadOnly, people, showAsk } = useStory();
  const { clock } = useApp();
  return (
    <StoryRow item={row} look={row.raised === null ? "ask" : "receipt"}>
      <StoryLine icon="wallet" tone={row.raised === null ? "attention" : ""}>
        {budgetLine(row, people, { now: clock.now.peek() })}
      </StoryLine>
      {row.raised === null && !isReadOnly && (
        <Button onPress={() => showAsk("budget")}>Raise the budget</Button>
      )}
    </StoryRow>
  );
}
