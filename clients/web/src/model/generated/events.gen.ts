// Generated from the Python code by `make docs`. Do not edit.

export type InstructionMode = "queue" | "steer";

export type Policy = "always" | "never" | "risky";

export type Verdict = "allow" | "deny";

export type ApprovalScope = "once" | "task";

/** The fields around a fact, in the order they are stored. */
export interface Envelope {
  readonly id: string;
  readonly task: string;
  readonly version: number;
  readonly at: string;
  readonly by: string;
  readonly cause: string;
  readonly schema?: number;
}

/** The repository of a task. `base` is a branch name; empty means the default branch. */
export interface Repository {
  readonly url: string;
  readonly base?: string;
}

/** The limits of a task. Money in millionths of a US dollar; zero means no limit. */
export interface Budget {
  readonly cost_microusd?: number;
  readonly turns?: number;
  readonly wall_seconds?: number;
}

/** Rule for tool calls of one task: which to allow, to ask about, or to deny. */
export interface ApprovalRule {
  readonly verdict: "allow" | "ask" | "deny";
  readonly subject: "command" | "host" | "path" | "tool";
  readonly pattern: string;
}

/** An image that goes with a prompt or an instruction; its bytes are in the object store. */
export interface Attachment {
  readonly id: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly key: string;
  readonly name?: string;
}

/** Bytes in the object store, too long for an event. */
export interface Blob {
  readonly key: string;
  readonly size_bytes: number;
  readonly sha256: string;
}

/** Origin of a fork: another task as it was at `version`. */
export interface ForkOrigin {
  readonly task: string;
  readonly version: number;
  readonly tree?: string;
  readonly commit?: string;
  readonly pack?: Blob | null;
  readonly conversation?: string;
}

/** Set-up of a repository. */
export interface EnvironmentDefinition {
  readonly image?: string;
  readonly setup?: string;
  readonly start?: string;
  readonly timeout_seconds?: number;
  readonly cache_paths?: ReadonlyArray<string>;
  readonly egress?: "off" | "open" | "registries";
  readonly agent_egress?: "off" | "open" | "registries";
  readonly allow?: ReadonlyArray<string>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A person asked for work. Always version 1 of its history. A fork has an `origin`. */
export interface TaskSubmitted {
  readonly type: "task.submitted";
  readonly prompt: string;
  readonly repository: Repository;
  readonly model: string;
  readonly title?: string;
  readonly effort?: string;
  readonly budget?: Budget;
  readonly policy?: Policy;
  readonly rules?: ReadonlyArray<ApprovalRule>;
  readonly attachments?: ReadonlyArray<Attachment>;
  readonly origin?: ForkOrigin | null;
  readonly environment?: EnvironmentDefinition | null;
  readonly environment_source?: "" | "account" | "task";
}

/** A person said more: before the next model call (steer), or after the work (queue). */
export interface TaskInstructed {
  readonly type: "task.instructed";
  readonly text: string;
  readonly mode?: InstructionMode;
  readonly attachments?: ReadonlyArray<Attachment>;
}

/** A person changed an instruction that the agent had not taken up. */
export interface InstructionEdited {
  readonly type: "instruction.edited";
  readonly instruction: number;
  readonly text: string;
}

/** A person withdrew an instruction that the agent had not taken up. */
export interface InstructionWithdrawn {
  readonly type: "instruction.withdrawn";
  readonly instruction: number;
}

/** A person answered what the agent asked. */
export interface QuestionAnswered {
  readonly type: "question.answered";
  readonly request: string;
  readonly text: string;
}

/** A person allowed or denied what the agent asked to do. */
export interface ApprovalAnswered {
  readonly type: "approval.answered";
  readonly request: string;
  readonly digest: string;
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly scope?: ApprovalScope;
}

/** A person allowed a task to spend this much more, in millionths of a US dollar. */
export interface BudgetRaised {
  readonly type: "budget.raised";
  readonly cost_microusd: number;
}

/** A person allowed the commands of a task to connect to a host, for the life of the task. */
export interface EgressAllowed {
  readonly type: "egress.allowed";
  readonly host: string;
  readonly port: number;
}

/** A person stopped what runs now; the task waits for an instruction. */
export interface TaskInterrupted {
  readonly type: "task.interrupted";
}

/** A person cancelled the task; its worker must stop. */
export interface TaskCancelled {
  readonly type: "task.cancelled";
  readonly reason?: string;
}

/** A person archived a task that has ended; instructing it brings it back. */
export interface TaskArchived {
  readonly type: "task.archived";
}

/** The size of a machine, as the Machines API names it; memory in mebibytes. */
export interface Guest {
  readonly cpu_kind: string;
  readonly cpus: number;
  readonly memory_mb: number;
}

/** A machine is wanted for this attempt: the intent, written before the API is called. */
export interface MachineRequested {
  readonly type: "machine.requested";
  readonly attempt: number;
  readonly name: string;
  readonly region: string;
  readonly guest: Guest;
  readonly deadline: string;
}

/** The Machines API gave a machine, after so many seconds. */
export interface MachineStarted {
  readonly type: "machine.started";
  readonly attempt: number;
  readonly machine: string;
  readonly region: string;
  readonly seconds: number;
}

/** The Machines API gave none; the same attempt asks again at `retry_at`. */
export interface MachineRefused {
  readonly type: "machine.refused";
  readonly attempt: number;
  readonly reason: string;
  readonly retry_at: string;
  readonly detail?: string;
}

/** The machine ended or fell silent before the task did; it is certainly not running now. */
export interface MachineLost {
  readonly type: "machine.lost";
  readonly attempt: number;
  readonly reason: string;
  readonly retry_at: string;
  readonly detail?: string;
}

/** The machine is gone; what it cost, at the price table's rate for its guest. */
export interface MachineDestroyed {
  readonly type: "machine.destroyed";
  readonly attempt: number;
  readonly machine: string;
  readonly billed_seconds: number;
  readonly cost_microusd: number;
}

/** Nobody could carry the task to its end. `reason` is a stable code. */
export interface TaskAbandoned {
  readonly type: "task.abandoned";
  readonly reason: string;
  readonly detail: string;
  readonly remedy: string;
}

/** A tool call whose work is gone with its machine; `title` as in its `tool.started`. */
export interface UndoneCall {
  readonly call: string;
  readonly tool: string;
  readonly title: string;
}

/** A worker took the task up. From here on no older attempt may write: the fence. */
export interface AttemptStarted {
  readonly type: "attempt.started";
  readonly attempt: number;
  readonly machine: string;
  readonly build?: string;
  readonly sandbox?: string;
  readonly undone?: ReadonlyArray<UndoneCall>;
}

/** The repository stands in the sandbox; `commit` is the base the branch grows from. */
export interface WorkspacePrepared {
  readonly type: "workspace.prepared";
  readonly commit: string;
  readonly base: string;
  readonly branch: string;
  readonly seconds: number;
  readonly snapshot?: string;
  readonly environment?: "" | "account" | "detected" | "devcontainer" | "file" | "task";
}

/** The environment was set up, as far as it could be; the task goes on in any case. */
export interface EnvironmentPrepared {
  readonly type: "environment.prepared";
  readonly source: "account" | "detected" | "devcontainer" | "file" | "task";
  readonly definition: EnvironmentDefinition;
  readonly key?: string;
  readonly reason?: string;
  readonly cached?: boolean;
  readonly exit_code?: number;
  readonly seconds?: number;
  readonly output?: string;
  readonly is_truncated?: boolean;
  readonly artifact?: Blob | null;
  readonly problem?: string;
  readonly changed?: ReadonlyArray<string>;
}

/** The model is about to be asked for turn `turn` (1, 2, 3 …). */
export interface ModelRequested {
  readonly type: "model.requested";
  readonly turn: number;
  readonly model: string;
  readonly leaves_queued?: boolean;
}

/** Tokens of one model call, as the Messages API counts them. */
export interface Usage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_creation_input_tokens?: number;
  readonly cache_read_input_tokens?: number;
}

/** Digests of a request's parts: the first 16 hexadecimal digits of their SHA-256 each. */
export interface PromptDigest {
  readonly system: string;
  readonly tools: string;
  readonly message: string;
}

/** The model answered, and this is what it cost. `blocks` are verbatim, or in `blob`. */
export interface ModelReplied {
  readonly type: "model.replied";
  readonly turn: number;
  readonly stop_reason: string;
  readonly usage: Usage;
  readonly cost_microusd: number;
  readonly blocks?: ReadonlyArray<Readonly<Record<string, unknown>>>;
  readonly model?: string;
  readonly request?: string;
  readonly seconds?: number;
  readonly blob?: Blob | null;
  readonly prompt?: PromptDigest | null;
}

/** A call of the model failed. With `retry_at` it is tried again; without, not. */
export interface ModelFailed {
  readonly type: "model.failed";
  readonly turn: number;
  readonly kind: string;
  readonly detail: string;
  readonly retry_at?: string | null;
}

/** The conversation had grown long: from turn `turn` on, the model reads a summary of it. */
export interface ContextCompacted {
  readonly type: "context.compacted";
  readonly turn: number;
  readonly through: number;
  readonly summary: string;
  readonly tokens_before: number;
  readonly tokens_after: number;
  readonly writer?: "model" | "worker";
  readonly usage?: Usage;
  readonly cost_microusd?: number;
  readonly model?: string;
  readonly request?: string;
  readonly seconds?: number;
}

/** One line of the agent's plan. */
export interface PlanItem {
  readonly text: string;
  readonly state: "active" | "done" | "pending";
}

/** The agent updated its plan. */
export interface PlanUpdated {
  readonly type: "plan.updated";
  readonly items: ReadonlyArray<PlanItem>;
}

/** The agent needs an answer from the person before it goes on. */
export interface QuestionAsked {
  readonly type: "question.asked";
  readonly request: string;
  readonly call: string;
  readonly text: string;
  readonly options?: ReadonlyArray<string>;
}

/** The agent may not make this call before a person has allowed it. */
export interface ApprovalRequested {
  readonly type: "approval.requested";
  readonly request: string;
  readonly call: string;
  readonly tool: string;
  readonly title: string;
  readonly digest: string;
  readonly covers: string;
  readonly expires_at: string;
  readonly command?: string;
  readonly diff?: string;
  readonly risks?: ReadonlyArray<string>;
}

/** A tool call begins: the intent, written before it runs. `title` is for people. */
export interface ToolStarted {
  readonly type: "tool.started";
  readonly call: string;
  readonly tool: string;
  readonly title: string;
  readonly tree?: string;
  readonly command?: string;
}

/** A tool call ended. `output` is what the model receives; the whole is in `artifact`. */
export interface ToolCompleted {
  readonly type: "tool.completed";
  readonly call: string;
  readonly output: string;
  readonly exit_code?: number;
  readonly is_error?: boolean;
  readonly is_truncated?: boolean;
  readonly seconds?: number;
  readonly diff?: string;
  readonly artifact?: Blob | null;
}

/** A tool call came to no end that is known, or was not run. */
export interface ToolInterrupted {
  readonly type: "tool.interrupted";
  readonly call: string;
  readonly reason: string;
}

/** Something in the workspace that the work leaves out. */
export interface LeftOut {
  readonly path: string;
  readonly reason: string;
  readonly files?: number;
}

/** The work as it stands, restorable: a tree and the pack that holds it. */
export interface SnapshotTaken {
  readonly type: "snapshot.taken";
  readonly tree: string;
  readonly pack: Blob;
  readonly files: number;
  readonly insertions: number;
  readonly deletions: number;
  readonly left_out?: ReadonlyArray<LeftOut>;
  readonly guarded?: ReadonlyArray<string>;
  readonly changes?: Blob | null;
}

/** A limit was reached; the task waits. Scope cost: micro-dollars; turns; wall: seconds. */
export interface BudgetExhausted {
  readonly type: "budget.exhausted";
  readonly scope: "account" | "cost" | "person" | "turns" | "wall";
  readonly spent: number;
  readonly limit: number;
  readonly resets_at?: string | null;
}

/** Something to keep was put into the object store under a name people can ask for. */
export interface ArtifactStored {
  readonly type: "artifact.stored";
  readonly name: string;
  readonly media_type: string;
  readonly blob: Blob;
}

/** The work is on the forge. */
export interface BranchPushed {
  readonly type: "branch.pushed";
  readonly branch: string;
  readonly commit: string;
}

/** The forge shows the work as a pull request. */
export interface PullRequestOpened {
  readonly type: "pull_request.opened";
  readonly number: number;
  readonly url: string;
  readonly title: string;
}

/** The agent says the work is done. `outcome`: pull_request, branch, or no_changes. */
export interface TaskFinished {
  readonly type: "task.finished";
  readonly summary: string;
  readonly outcome: "branch" | "no_changes" | "pull_request";
}

/** The work cannot be done. `reason` is a stable code; `remedy` says what to do about it. */
export interface TaskFailed {
  readonly type: "task.failed";
  readonly reason: string;
  readonly detail: string;
  readonly remedy: string;
}

/** The worker ends the attempt: done, drained, fenced off, or something it needs is unavailable. */
export interface AttemptEnded {
  readonly type: "attempt.ended";
  readonly attempt: number;
  readonly reason: string;
  readonly detail?: string;
}

/** Commands of the task wanted to connect to a host, and were denied, `count` times. */
export interface EgressDenied {
  readonly type: "egress.denied";
  readonly host: string;
  readonly port: number;
  readonly count: number;
  readonly reason?: "address" | "rules";
  readonly phase?: "agent" | "setup";
}

/** All that is left of an erased task. */
export interface TaskErased {
  readonly type: "task.erased";
  readonly reason: string;
}

/** What happened; `type` says which. */
export type Fact =
  | TaskSubmitted
  | TaskInstructed
  | InstructionEdited
  | InstructionWithdrawn
  | QuestionAnswered
  | ApprovalAnswered
  | BudgetRaised
  | EgressAllowed
  | TaskInterrupted
  | TaskCancelled
  | TaskArchived
  | MachineRequested
  | MachineStarted
  | MachineRefused
  | MachineLost
  | MachineDestroyed
  | TaskAbandoned
  | AttemptStarted
  | WorkspacePrepared
  | EnvironmentPrepared
  | ModelRequested
  | ModelReplied
  | ModelFailed
  | ContextCompacted
  | PlanUpdated
  | QuestionAsked
  | ApprovalRequested
  | ToolStarted
  | ToolCompleted
  | ToolInterrupted
  | SnapshotTaken
  | BudgetExhausted
  | ArtifactStored
  | BranchPushed
  | PullRequestOpened
  | TaskFinished
  | TaskFailed
  | AttemptEnded
  | EgressDenied
  | TaskErased;

/** An event as it is stored and sent. */
export type StoredEvent = Envelope & Fact;

export const EVENT_TYPES: ReadonlySet<string> = new Set([
  "task.submitted",
  "task.instructed",
  "instruction.edited",
  "instruction.withdrawn",
  "question.answered",
  "approval.answered",
  "budget.raised",
  "egress.allowed",
  "task.interrupted",
  "task.cancelled",
  "task.archived",
  "machine.requested",
  "machine.started",
  "machine.refused",
  "machine.lost",
  "machine.destroyed",
  "task.abandoned",
  "attempt.started",
  "workspace.prepared",
  "environment.prepared",
  "model.requested",
  "model.replied",
  "model.failed",
  "context.compacted",
  "plan.updated",
  "question.asked",
  "approval.requested",
  "tool.started",
  "tool.completed",
  "tool.interrupted",
  "snapshot.taken",
  "budget.exhausted",
  "artifact.stored",
  "branch.pushed",
  "pull_request.opened",
  "task.finished",
  "task.failed",
  "attempt.ended",
  "egress.denied",
  "task.erased",
]);

export const MAX_TEXT_CHARACTERS = 65536;
