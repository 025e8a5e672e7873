// A task's line in the list, from its state: for tasks that are older than what the line brings.
import type { TaskState } from "../generated/api.gen.ts";
import type { Ask, Line } from "../generated/frames.gen.ts";

const TITLE_CHARACTERS = 160;

export function lineOf(state: TaskState): Line {
  return {
    t: "line",
    task: state.id,
    version: state.version,
    phase: state.phase,
    title: state.title,
    waiting: state.waiting,
    cost_microusd: state.cost_microusd,
    updated_at: state.updated_at,
    repository: state.repository.url,
    submitted_at: state.submitted_at,
    since: state.since,
    asks: askOf(state),
    retry_at: state.retry_at,
    budget_microusd: state.budget?.cost_microusd ?? 0,
    files_changed: state.files_changed,
    insertions: state.insertions,
    deletions: state.deletions,
    branch: state.branch,
    pull_request: state.pull_request,
    outcome: state.outcome,
    is_archived: state.is_archived,
  };
}

/** What it asks, in a line; it is to be opened to be answered. */
function askOf({ waiting, question, approval }: TaskState): Ask | null {
  if (waiting === "question" && question) {
    return { kind: "question", title: oneLine(question.text), request: question.request };
  }
  if (waiting === "approval" && approval) {
    const { request, title, expires_at } = approval;
    return { kind: "approval", title: oneLine(title), request, expires_at };
  }
  if (waiting === "budget") return { kind: "budget", title: "A budget limit is reached." };
  if (waiting === "instruction") {
    return { kind: "instruction", title: "Stopped. It goes on with your next instruction." };
  }
  return null;
}

function oneLine(text: string): string {
  const characters = [...text.split(/\s+/u).join(" ").trim()];
  if (characters.length <= TITLE_CHARACTERS) return characters.join("");
  return `${characters.slice(0, TITLE_CHARACTERS - 1).join("")}…`;
}
