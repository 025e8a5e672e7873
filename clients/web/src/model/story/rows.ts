// The rows of a task's story. Each stands for the events `from` to `to`; its key never changes.
import type { Blob, InstructionMode, PlanItem, Verdict } from "../generated/events.gen.ts";

export { addEvent, addEvents, emptyStory, type Story, storyInSlices, storyOf } from "./story.ts";
export {
  findVersion,
  foldStory,
  type StoryItem,
  type TurnItem,
  turnCounts,
} from "./turns.ts";

interface RowBase {
  readonly key: string;
  readonly from: number;
  /** The last event that changed this row. */
  readonly to: number;
  /** When the event `from` happened. */
  readonly at: string;
}

/** Who did something, when, and at which version: `by` as in the event (`person:per_…`). */
export interface Act {
  readonly by: string;
  readonly at: string;
  readonly version: number;
}

/** Something a person wrote: the prompt, or an instruction. */
export interface PersonRow extends RowBase {
  readonly kind: "person";
  readonly by: string;
  readonly text: string;
  readonly mode: "submit" | InstructionMode;
  readonly attachments: readonly unknown[];
  /** Id of the command that brought it: an optimistic row with this id is replaced. */
  readonly command: string;
  /** The version of the model call that took it up; 0: it waits. */
  readonly takenUp: number;
  readonly edited: Act | null;
  readonly withdrawn: Act | null;
}

/** Prose of the agent. `blob`: the reply was too long for its event and is fetched apart. */
export interface AgentRow extends RowBase {
  readonly kind: "agent";
  readonly turn: number;
  readonly text: string;
  readonly thinking: string;
  readonly blob: Blob | null;
}

export type CallState = "running" | "done" | "failed" | "interrupted" | "undone";

/** One tool call. `undone`: it ended, but its work was lost with its machine. */
export interface Call {
  readonly call: string;
  readonly tool: string;
  readonly title: string;
  readonly command: string;
  readonly state: CallState;
  readonly from: number;
  readonly to: number;
  readonly at: string;
  readonly seconds: number;
  readonly exitCode: number;
  readonly output: string;
  readonly isTruncated: boolean;
  readonly diff: string;
  readonly artifact: Blob | null;
  /** Why it was interrupted, as a code. */
  readonly reason: string;
  /** Version of the `approval.requested` that was asked for this very call; 0: none. */
  readonly approval: number;
  /** What the agent thought before it asked for this call. */
  readonly thinking: string;
}

/** A run of tool calls with nothing between them that people read. */
export interface ToolsRow extends RowBase {
  readonly kind: "tools";
  readonly calls: readonly Call[];
}

/** How the environment was set up. `why`: which definition holds; `problem`: cause and remedy. */
export interface SetupRow extends RowBase {
  readonly kind: "setup";
  readonly call: Call;
  readonly why: string;
  readonly problem: string;
  /** Files of the repository that set-up changed, and that were put back. */
  readonly changed: readonly string[];
}

export interface PlanChange {
  readonly text: string;
  readonly was: PlanItem["state"] | "";
  readonly now: PlanItem["state"] | "";
}

export interface PlanRow extends RowBase {
  readonly kind: "plan";
  readonly items: readonly PlanItem[];
  /** What is new or different since the plan before; `""`: was not, or is no longer, there. */
  readonly changes: readonly PlanChange[];
}

/** Why an ask is closed without an answer; empty: it is open, or was answered. */
export type ClosedBy =
  | ""
  | "ended"
  | "instructed"
  | "stopped"
  | "machine_lost"
  | "asked_again"
  | "call_ended";

export interface QuestionRow extends RowBase {
  readonly kind: "question";
  readonly request: string;
  readonly call: string;
  readonly text: string;
  readonly options: readonly string[];
  readonly answer: (Act & { readonly text: string }) | null;
  readonly closed: ClosedBy;
}

export interface ApprovalAnswer extends Act {
  readonly verdict: Verdict;
  readonly scope: "once" | "task";
  readonly reason: string;
  readonly digest: string;
}

export interface ApprovalRow extends RowBase {
  readonly kind: "approval";
  readonly request: string;
  readonly call: string;
  readonly tool: string;
  readonly title: string;
  readonly command: string;
  readonly diff: string;
  readonly digest: string;
  readonly covers: string;
  readonly risks: readonly string[];
  readonly expiresAt: string;
  readonly answer: ApprovalAnswer | null;
  readonly closed: ClosedBy;
  /** Version of the event by which the agent went on: the call began, or was refused; 0: not yet. */
  readonly actedOn: number;
}

export interface BudgetRow extends RowBase {
  readonly kind: "budget";
  readonly scope: "account" | "cost" | "person" | "turns" | "wall";
  readonly spent: number;
  readonly limit: number;
  readonly resetsAt: string;
  readonly raised: (Act & { readonly costMicrousd: number }) | null;
}

/** A budget raised before any limit was met. */
export interface RaiseRow extends RowBase {
  readonly kind: "raise";
  readonly by: string;
  readonly costMicrousd: number;
}

export interface MachineLoss {
  readonly version: number;
  readonly at: string;
  readonly reason: string;
  readonly detail: string;
  readonly retryAt: string;
  /** Titles of the calls that ran when the machine was lost. */
  readonly inFlight: readonly string[];
}

/** A machine's beginning; with `loss` or `left`, the boundary between it and the one before. */
export interface MachineRow extends RowBase {
  readonly kind: "machine";
  readonly attempt: number;
  readonly state: "lost" | "wanted" | "refused" | "booting" | "preparing" | "ready";
  readonly loss: MachineLoss | null;
  /** Why the worker before handed over (`drained`, `deadline`, …), in its code and words. */
  readonly left: { readonly reason: string; readonly detail: string } | null;
  readonly refusal: {
    readonly reason: string;
    readonly retryAt: string;
    readonly times: number;
  } | null;
  /** Titles of the calls whose work was lost. */
  readonly undone: readonly string[];
  /** Version at which a worker took the task up; 0: not yet. */
  readonly takenUp: number;
  /** Seconds from the loss (or the request) to that. */
  readonly seconds: number;
}

/** The model provider did not answer as it should. */
export interface ProviderRow extends RowBase {
  readonly kind: "provider";
  readonly failure: string;
  readonly detail: string;
  readonly retryAt: string;
  readonly times: number;
  readonly resumed: number;
}

/** Connections of commands to one host that were denied, since a person last allowed it. */
export interface DeniedRow extends RowBase {
  readonly kind: "denied";
  /** Empty: many other hosts. */
  readonly host: string;
  readonly port: number;
  readonly count: number;
  /** `address`: no person can allow it. */
  readonly reason: "rules" | "address";
  readonly allowed: Act | null;
}

/** A host that a person allowed before it was denied. */
export interface AllowedRow extends RowBase {
  readonly kind: "allowed";
  readonly by: string;
  readonly host: string;
  readonly port: number;
}

/** The conversation had grown long: the agent goes on from this summary of it. */
export interface SummaryRow extends RowBase {
  readonly kind: "summary";
  readonly text: string;
  readonly tokensBefore: number;
  readonly tokensAfter: number;
  readonly writer: "model" | "worker";
}

/** A person stopped what ran, or archived the task. */
export interface NoteRow extends RowBase {
  readonly kind: "stopped" | "archived";
  readonly by: string;
}

export interface ArtifactRow extends RowBase {
  readonly kind: "artifact";
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

/** The work on the forge. */
export interface DeliveryRow extends RowBase {
  readonly kind: "delivery";
  readonly branch: string;
  readonly commit: string;
  readonly pullRequest: {
    readonly number: number;
    readonly url: string;
    readonly title: string;
  } | null;
}

export interface EndRow extends RowBase {
  readonly kind: "end";
  readonly ending: "finished" | "failed" | "abandoned" | "cancelled" | "erased";
  readonly outcome: "" | "branch" | "no_changes" | "pull_request";
  readonly by: string;
  /** What the agent says it did; empty when its last words above say the same. */
  readonly summary: string;
  readonly reason: string;
  readonly detail: string;
  readonly remedy: string;
}

export type Row =
  | PersonRow
  | AgentRow
  | ToolsRow
  | SetupRow
  | PlanRow
  | QuestionRow
  | ApprovalRow
  | BudgetRow
  | RaiseRow
  | DeniedRow
  | AllowedRow
  | MachineRow
  | ProviderRow
  | SummaryRow
  | NoteRow
  | ArtifactRow
  | DeliveryRow
  | EndRow;
