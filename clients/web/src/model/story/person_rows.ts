// What people did: messages, answers, raises, stops.
import type { StoredEvent } from "../generated/events.gen.ts";
import type { Changes, Draft, EventOf } from "./draft.ts";
import type { Act, ApprovalRow, BudgetRow, PersonRow, QuestionRow } from "./rows.ts";

function act(event: StoredEvent): Act {
  return { by: event.by, at: event.at, version: event.version };
}

function say(
  draft: Draft,
  event: EventOf<"task.submitted"> | EventOf<"task.instructed">,
  said: Pick<PersonRow, "text" | "mode">,
): void {
  const { attachments = [] } = event as { attachments?: readonly unknown[] };
  const place = draft.add({
    ...draft.base(event),
    ...said,
    kind: "person",
    by: event.by,
    attachments,
    command: event.cause,
    takenUp: 0,
    edited: null,
    withdrawn: null,
  });
  draft.note({ waitingInstructions: [...draft.context.waitingInstructions, place] });
}

/** Change the instruction that an event names, as long as it is here. */
function changeInstruction(
  draft: Draft,
  event: EventOf<"instruction.edited"> | EventOf<"instruction.withdrawn">,
  changes: (did: Act) => Partial<PersonRow>,
): void {
  const found = draft.findLast("person", (row) => row.from === event.instruction);
  if (found !== null) draft.change(found[0], found[1], event.version, changes(act(event)));
}

export const personChanges: Changes = {
  "task.submitted": (draft, event) => say(draft, event, { text: event.prompt, mode: "submit" }),
  "task.instructed": (draft, event) => {
    const mode = event.mode ?? "steer";
    if (mode === "steer") draft.closeAsks(event.version, "instructed");
    say(draft, event, { text: event.text, mode });
  },
  "instruction.edited": (draft, event) => {
    changeInstruction(draft, event, (did) => ({ text: event.text, edited: did }));
  },
  "instruction.withdrawn": (draft, event) => {
    changeInstruction(draft, event, (did) => ({ withdrawn: did }));
  },
  "question.answered": (draft, event) => {
    const found = draft.findLast("question", (row) => row.request === event.request);
    if (found === null || found[1].answer !== null) return;
    const [place, row] = found;
    const answer = { ...act(event), text: event.text };
    draft.change<QuestionRow>(place, row, event.version, { answer, closed: "" });
    draft.note({ openAsks: draft.context.openAsks.filter((each) => each !== place) });
  },
  "approval.answered": (draft, event) => {
    const found = draft.findLast("approval", (row) => row.request === event.request);
    if (found === null || found[1].answer !== null) return;
    const [place, row] = found;
    const answer = {
      ...act(event),
      verdict: event.verdict,
      scope: event.scope ?? ("once" as const),
      reason: event.reason ?? "",
      digest: event.digest,
    };
    draft.change<ApprovalRow>(place, row, event.version, { answer, closed: "" });
    draft.note({ openAsks: draft.context.openAsks.filter((each) => each !== place) });
  },
  "budget.raised": (draft, event) => {
    const costMicrousd = event.cost_microusd;
    const found = draft.findLast("budget");
    if (found !== null && found[1].raised === null) {
      const raised = { ...act(event), costMicrousd };
      draft.change<BudgetRow>(found[0], found[1], event.version, { raised });
    } else {
      draft.add({ ...draft.base(event), kind: "raise", by: event.by, costMicrousd });
    }
  },
  "task.interrupted": (draft, event) => {
    draft.closeAsks(event.version, "stopped");
    draft.add({ ...draft.base(event), kind: "stopped", by: event.by });
  },
  "task.archived": (draft, event) => {
    draft.add({ ...draft.base(event), kind: "archived", by: event.by });
  },
};
