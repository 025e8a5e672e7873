// What comes of it: artifacts, the branch, the pull request, and the end.
import type { StoredEvent } from "../generated/events.gen.ts";
import { type Changes, Draft } from "./draft.ts";
import type { DeliveryRow, EndRow } from "./rows.ts";

const NOTHING = { outcome: "", summary: "", reason: "", detail: "", remedy: "" } as const;

function end(
  draft: Draft,
  event: StoredEvent,
  ending: EndRow["ending"],
  words: Partial<EndRow> = {},
): void {
  draft.closeAsks(event.version, "ended");
  draft.add({ ...draft.base(event), ...NOTHING, ...words, kind: "end", ending, by: event.by });
}

/** Return a summary; empty when the agent's last words are the same. */
function unsaid(draft: Draft, summary: string): string {
  const last = draft.findLast("agent")?.[1];
  return last?.text.trim() === summary.trim() ? "" : summary;
}

export const outcomeChanges: Changes = {
  "artifact.stored": (draft, event) => {
    if (event.blob.size_bytes === 0 || event.media_type === "text/x-diff") return;
    draft.add({
      ...draft.base(event),
      kind: "artifact",
      name: event.name,
      mediaType: event.media_type,
      sizeBytes: event.blob.size_bytes,
    });
  },
  "branch.pushed": (draft, event) => {
    const { branch, commit } = event;
    draft.add({ ...draft.base(event), kind: "delivery", branch, commit, pullRequest: null });
  },
  "pull_request.opened": (draft, event) => {
    const pullRequest = { number: event.number, url: event.url, title: event.title };
    const place = draft.rows.length - 1;
    const last = draft.rows[place];
    if (last?.kind === "delivery" && last.pullRequest === null) {
      draft.change<DeliveryRow>(place, last, event.version, { pullRequest });
    } else {
      const nowhere = { branch: "", commit: "" };
      draft.add({ ...draft.base(event), kind: "delivery", ...nowhere, pullRequest });
    }
  },
  "task.finished": (draft, event) => {
    const summary = unsaid(draft, event.summary);
    end(draft, event, "finished", { summary, outcome: event.outcome });
  },
  "task.failed": (draft, event) => {
    const { reason, detail, remedy } = event;
    end(draft, event, "failed", { reason, detail, remedy });
  },
  "task.abandoned": (draft, event) => {
    const { reason, detail, remedy } = event;
    end(draft, event, "abandoned", { reason, detail, remedy });
  },
  "task.cancelled": (draft, event) => {
    end(draft, event, "cancelled", { reason: event.reason ?? "" });
  },
  "task.erased": (draft, event) => {
    draft.rows.length = 0;
    draft.note(Draft.beginning());
    end(draft, event, "erased", { reason: event.reason });
  },
};
