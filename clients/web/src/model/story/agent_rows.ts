// What the agent said, planned and asked, and how the model provider answered it.

import type { PlanItem } from "../generated/events.gen.ts";
import type { Changes, Draft } from "./draft.ts";
import type { AgentRow, PlanChange, ProviderRow } from "./rows.ts";

type Block = Readonly<Record<string, unknown>>;

/** Join the texts of a reply's blocks of one type. */
export function blockText(blocks: readonly Block[], type: "text" | "thinking"): string {
  return blocks
    .filter((block) => block.type === type)
    .map((block) => String(block[type] ?? "").trim())
    .filter((text) => text !== "")
    .join("\n\n");
}

export const agentChanges: Changes = {
  "model.requested": (draft, event) => {
    const { waitingInstructions } = draft.context;
    if (waitingInstructions.length === 0) return;
    const leavesQueued = event.leaves_queued ?? false;
    const left: number[] = [];
    for (const place of waitingInstructions) {
      const row = draft.rows[place];
      if (row?.kind !== "person" || row.withdrawn !== null) continue;
      if (row.mode === "queue" && leavesQueued) left.push(place);
      else draft.rows[place] = { ...row, takenUp: event.version };
    }
    draft.note({ waitingInstructions: left });
  },
  "model.replied": (draft, event) => {
    resume(draft, event.version);
    const text = blockText(event.blocks ?? [], "text");
    const thinking = blockText(event.blocks ?? [], "thinking");
    const blob = event.blob ?? null;
    if (text === "" && blob === null) {
      draft.note({ thinking });
      return;
    }
    const row: AgentRow = {
      ...draft.base(event),
      kind: "agent",
      turn: event.turn,
      text,
      thinking,
      blob,
    };
    draft.add(row);
  },
  "model.failed": (draft, event) => {
    const news = { failure: event.kind, detail: event.detail, retryAt: event.retry_at ?? "" };
    const place = draft.rows.length - 1;
    const last = draft.rows[place];
    if (last?.kind === "provider" && last.resumed === 0) {
      draft.change<ProviderRow>(place, last, event.version, { ...news, times: last.times + 1 });
    } else {
      draft.add({ ...draft.base(event), kind: "provider", ...news, times: 1, resumed: 0 });
    }
  },
  "context.compacted": (draft, event) => {
    resume(draft, event.version);
    draft.add({
      ...draft.base(event),
      kind: "summary",
      text: event.summary,
      tokensBefore: event.tokens_before,
      tokensAfter: event.tokens_after,
      writer: event.writer ?? "model",
    });
  },
  "plan.updated": (draft, event) => {
    const before = draft.findLast("plan")?.[1].items ?? [];
    const changes = planChanges(before, event.items);
    if (changes.length === 0) return;
    draft.add({ ...draft.base(event), kind: "plan", items: event.items, changes });
  },
  "question.asked": (draft, event) => {
    draft.closeAsks(event.version, "asked_again", (call) => call === event.call);
    const place = draft.add({
      ...draft.base(event),
      kind: "question",
      request: event.request,
      call: event.call,
      text: event.text,
      options: event.options ?? [],
      answer: null,
      closed: "",
    });
    draft.note({ openAsks: [...draft.context.openAsks, place] });
  },
  "approval.requested": (draft, event) => {
    draft.closeAsks(event.version, "asked_again", (call) => call === event.call);
    const place = draft.add({
      ...draft.base(event),
      kind: "approval",
      request: event.request,
      call: event.call,
      tool: event.tool,
      title: event.title,
      command: event.command ?? "",
      diff: event.diff ?? "",
      digest: event.digest,
      covers: event.covers,
      risks: event.risks ?? [],
      expiresAt: event.expires_at,
      answer: null,
      closed: "",
      actedOn: 0,
    });
    const { openAsks, unactedApprovals } = draft.context;
    draft.note({
      openAsks: [...openAsks, place],
      unactedApprovals: [...unactedApprovals, place],
    });
  },
  "budget.exhausted": (draft, event) => {
    draft.add({
      ...draft.base(event),
      kind: "budget",
      scope: event.scope,
      spent: event.spent,
      limit: event.limit,
      resetsAt: event.resets_at ?? "",
      raised: null,
    });
  },
};

/** The provider answered again, if it was in trouble. */
function resume(draft: Draft, version: number): void {
  const last = draft.rows.length - 1;
  const failed = draft.rows[last];
  if (failed?.kind === "provider" && failed.resumed === 0) {
    draft.change<ProviderRow>(last, failed, version, { resumed: version });
  }
}

/** Return what a plan says that the one before did not, and what it no longer says. */
export function planChanges(
  before: readonly PlanItem[],
  after: readonly PlanItem[],
): readonly PlanChange[] {
  const was = new Map(before.map((item) => [item.text, item.state]));
  const is = new Set(after.map((item) => item.text));
  const changed = after
    .filter((item) => was.get(item.text) !== item.state)
    .map(
      (item): PlanChange => ({ text: item.text, was: was.get(item.text) ?? "", now: item.state }),
    );
  const gone = before
    .filter((item) => !is.has(item.text))
    .map((item): PlanChange => ({ text: item.text, was: item.state, now: "" }));
  return [...changed, ...gone];
}
