// Generated from the Python code by `make docs`. Do not edit.
import type { ApprovalRule, ApprovalScope, Budget, EnvironmentDefinition, InstructionMode, LeftOut, PlanItem, Policy, Repository, StoredEvent, Verdict } from "./events.gen.ts";

export type Phase = "cancelled" | "failed" | "finished" | "queued" | "starting" | "waiting" | "working";

export type Waiting = "" | "approval" | "budget" | "instruction" | "provider" | "question";

export type Role = "member" | "owner";

export type CredentialScope = "admin" | "approve" | "read" | "write";

export type Effort = "" | "high" | "low" | "max" | "medium" | "xhigh";

export type MessageRole = "agent" | "answer" | "person" | "question" | "summary";

/** Answer a question. */
export interface AnswerRequest {
  readonly text: string;
}

/** A key to be made. Without `scopes` it may do all that its maker may. */
export interface ApiKeyRequest {
  readonly name: string;
  readonly scopes?: ReadonlyArray<CredentialScope>;
  readonly expires_at?: string | null;
}

/** The fragment of the page to which GitHub returned, and the code that the app shows. */
export interface AppSignInConfirmation {
  readonly confirmation: string;
  readonly code: string;
}

/** A sign-in of an installed app: `url` is opened in any browser, `code` shown by the app. */
export interface AppSignInOffer {
  readonly url: string;
  readonly secret: string;
  readonly code: string;
  readonly expires_at: string;
  readonly interval_seconds: number;
}

/** The code to sign in with; null while the person is not done. */
export interface AppSignInResult {
  readonly code: string | null;
}

/** The secret of an app's sign-in. */
export interface AppSignInSecret {
  readonly secret: string;
}

/** Archive a task that has ended. */
export interface ArchiveRequest {
}

/** Something kept under a name. `sha256` is of its bytes, in hexadecimal. */
export interface Artifact {
  readonly name: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly stored_at: string;
  readonly version: number;
}

/** A task's artifacts, oldest first; of each name the newest. */
export interface ArtifactList {
  readonly data: ReadonlyArray<Artifact>;
}

/** Allow this much more, in millionths of a US dollar. */
export interface BudgetRaiseRequest {
  readonly cost_microusd: number;
}

/** Withdraw the work. */
export interface CancelRequest {
  readonly reason?: string;
}

/** The answer to a command: the task, and the version at which the command stands in it. */
export interface CommandResult {
  readonly task: string;
  readonly version: number;
}

/** A registered device. A dead one gets nothing until it registers again. */
export interface Device {
  readonly id: string;
  readonly kind: "apns" | "fcm" | "web";
  readonly name: string;
  readonly created_at: string;
  readonly seen_at: string;
  readonly dead_at: string | null;
  readonly dead_reason: string;
}

/** All devices of a person, newest first. */
export interface DeviceList {
  readonly data: ReadonlyArray<Device>;
}

/** The keys of a PushSubscription, base64url: its public key, and the secret it shares. */
export interface WebKeys {
  readonly p256dh: string;
  readonly auth: string;
}

/** A browser's PushSubscription, as `JSON.stringify` spells it. */
export interface Subscription {
  readonly endpoint: string;
  readonly keys: WebKeys;
}

/** The push address of a device: `subscription` for web, `token` for apns and fcm. */
export interface DeviceRequest {
  readonly kind: "apns" | "fcm" | "web";
  readonly subscription?: Subscription | null;
  readonly token?: string;
  readonly name?: string;
}

/** Count of the packs that were dropped. */
export interface DroppedPacks {
  readonly dropped: number;
}

/** The address to which the browser goes now. */
export interface Elsewhere {
  readonly url: string;
}

/** A body that says nothing more than the path. */
export interface EmptyRequest {
}

/** Settings of the account for a repository: the definition, and who set it when. */
export interface EnvironmentSettings {
  readonly definition: EnvironmentDefinition;
  readonly person: string;
  readonly at: string;
}

/** Environment that the newest task found in the repository: of a file, or detected. */
export interface FoundEnvironment {
  readonly source: string;
  readonly reason: string;
  readonly definition: EnvironmentDefinition;
  readonly task: string;
  readonly at: string;
}

/** Files that a set-up added, as they are kept; `task` ran it, `uses` counts the restores. */
export interface EnvironmentPack {
  readonly key: string;
  readonly size_bytes: number;
  readonly task: string;
  readonly created_at: string;
  readonly used_at: string;
  readonly uses: number;
}

/** A repository's environment: which definition is in force for its next task, and why. */
export interface RepositoryEnvironment {
  readonly id: string;
  readonly url: string;
  readonly source: string;
  readonly reason: string;
  readonly definition: EnvironmentDefinition | null;
  readonly settings: EnvironmentSettings | null;
  readonly found: FoundEnvironment | null;
  readonly packs: ReadonlyArray<EnvironmentPack>;
}

/** The repositories that have settings, were set up, or have packs; by address. */
export interface EnvironmentList {
  readonly data: ReadonlyArray<RepositoryEnvironment>;
}

/** Set-up of a repository. */
export interface EnvironmentRequest {
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

/** Events as they are stored; `next` is the following page's `after`, null on the last. */
export interface EventPage {
  readonly data: ReadonlyArray<StoredEvent>;
  readonly next: number | null;
  readonly head: number;
}

/** One file of a diff, and how many lines were added to it and taken from it. */
export interface ChangedFile {
  readonly path: string;
  readonly change: "added" | "copied" | "deleted" | "modified" | "renamed";
  readonly insertions: number;
  readonly deletions: number;
  readonly is_binary: boolean;
  readonly previous_path: string;
}

/** The files of a task's newest diff, in its order; `version` is the diff's. */
export interface FileList {
  readonly version: number;
  readonly data: ReadonlyArray<ChangedFile>;
}

/** The limits of a task; 0 means no limit. Money in millionths of a US dollar. */
export interface BudgetRequest {
  readonly cost_microusd?: number | null;
  readonly turns?: number;
  readonly wall_seconds?: number;
}

/** An uploaded image (`POST /v1/attachments`), and the name it is shown with. */
export interface AttachmentRequest {
  readonly id: string;
  readonly name?: string;
}

/** A new task that begins from another one as it was at the version `at`. */
export interface ForkRequest {
  readonly at: number;
  readonly prompt: string;
  readonly model?: string;
  readonly effort?: Effort | null;
  readonly budget?: BudgetRequest | null;
  readonly policy?: Policy | null;
  readonly rules?: ReadonlyArray<ApprovalRule> | null;
  readonly attachments?: ReadonlyArray<AttachmentRequest>;
}

/** State of the server and of each part: "ok", or what is wrong. `degraded`: it is slower. */
export interface Health {
  readonly status: "degraded" | "ok" | "unavailable";
  readonly parts: Readonly<Record<string, string>>;
}

/** Allow the commands of a task to connect to a host, such as `api.example.com`, on a port. */
export interface HostAllowanceRequest {
  readonly host: string;
  readonly port?: number;
}

/** The new text of an instruction that the agent has not taken up. */
export interface InstructionChangeRequest {
  readonly text: string;
}

/** An instruction: before the next model call (steer), or after the work (queue). */
export interface InstructionRequest {
  readonly text: string;
  readonly mode?: InstructionMode;
  readonly attachments?: ReadonlyArray<AttachmentRequest>;
}

/** Stop what runs now. */
export interface InterruptRequest {
}

/** The person to invite. With an `email` they can also sign in by a mailed link. */
export interface Invitation {
  readonly name: string;
  readonly role?: Role;
  readonly email?: string;
}

/** Hand `url` (or the code) to the guest: it is good once, for a day. */
export interface InvitationOffer {
  readonly person: string;
  readonly code: string;
  readonly expires_at: string;
  readonly url: string;
}

/** The current key-encryption key, and the number of secrets per key that wraps them. */
export interface KeyEncryptionState {
  readonly current: string;
  readonly secrets: Readonly<Record<string, number>>;
}

/** An API key without its secret. */
export interface ApiKeyInfo {
  readonly key: string;
  readonly name: string;
  readonly scopes: ReadonlyArray<CredentialScope>;
  readonly last_four: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly used_at: string | null;
}

/** The person's keys; all of them fit. */
export interface KeyPage {
  readonly data: ReadonlyArray<ApiKeyInfo>;
  readonly next: string | null;
}

/** One that is thrown. `owner` is an account, person or task; empty for the global one. */
export interface KillSwitch {
  readonly level: "account" | "global" | "person" | "task";
  readonly owner: string;
  readonly reason: string;
  readonly thrown_at: string;
}

/** Request to set a kill switch; people whose tasks it stops see the reason. */
export interface KillSwitchRequest {
  readonly level: "account" | "global" | "person" | "task";
  readonly reason: string;
  readonly owner?: string;
}

/** One attempt's machine, from the request for it to its bill; null is what is not known yet. */
export interface AttemptMachine {
  readonly attempt: number;
  readonly name: string;
  readonly machine: string;
  readonly region: string;
  readonly requested_at: string;
  readonly started_at: string | null;
  readonly start_seconds: number | null;
  readonly ended_at: string | null;
  readonly outcome: string;
  readonly billed_seconds: number | null;
  readonly cost_microusd: number | null;
}

/** The machines a task had, one an attempt, oldest first. */
export interface MachineList {
  readonly data: ReadonlyArray<AttemptMachine>;
}

/** Machines of one day, task or repository. `running` of them have no bill yet. */
export interface MachineUsageLine {
  readonly key: string;
  readonly machines: number;
  readonly running: number;
  readonly billed_seconds: number;
  readonly cost_microusd: number;
}

/** The cost of the machines of some days, as `UsagePage` has that of the model calls. */
export interface MachineUsagePage {
  readonly since: string;
  readonly until: string;
  readonly by: "day" | "repository" | "task";
  readonly data: ReadonlyArray<MachineUsageLine>;
}

/** The mail address to which a sign-in link is sent. */
export interface MailRequest {
  readonly email: string;
}

/** The same answer for every address. */
export interface MailTaken {
  readonly detail: string;
}

/** The owner of a credential, and what it may be used for. */
export interface Me {
  readonly account: string;
  readonly person: string;
  readonly session: string;
  readonly role: Role;
  readonly scopes: ReadonlyArray<CredentialScope>;
  readonly expires_at: string | null;
}

/** A member of an account. `joined_at` is null while the person is only invited. */
export interface Member {
  readonly person: string;
  readonly name: string;
  readonly role: Role;
  readonly email: string | null;
  readonly created_at: string;
  readonly joined_at: string | null;
}

/** The account's members. */
export interface MemberPage {
  readonly data: ReadonlyArray<Member>;
  readonly next: string | null;
}

/** A new API key. `token` is returned this once only. */
export interface NewApiKey {
  readonly key: string;
  readonly token: string;
  readonly name: string;
  readonly scopes: ReadonlyArray<CredentialScope>;
  readonly expires_at: string | null;
}

/** The parts of a task that a link shows besides what was said. */
export interface SharedParts {
  readonly commands?: boolean;
  readonly outputs?: boolean;
  readonly diffs?: boolean;
  readonly costs?: boolean;
}

/** A link without its secret. `up_to_version` is null for one that goes on with its task. */
export interface Share {
  readonly share: string;
  readonly task: string;
  readonly person: string;
  readonly parts: SharedParts;
  readonly up_to_version: number | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly revoked_by: string | null;
  readonly views: number;
  readonly viewed_at: string | null;
}

/** A new link. `url` holds its secret and is returned this once only. */
export interface NewShare {
  readonly share: Share;
  readonly url: string;
}

/** A code good for one device and ten minutes. `url` carries it in its fragment. */
export interface PairingOffer {
  readonly code: string;
  readonly expires_at: string;
  readonly url: string;
}

/** For which account; with the operator's token only. */
export interface PairingRequest {
  readonly account?: string;
}

/** A question of the agent that nobody has answered yet. */
export interface Question {
  readonly request: string;
  readonly text: string;
  readonly options: ReadonlyArray<string>;
}

/** A call that waits for approval; `command` or `diff` is exactly what it would do. */
export interface Approval {
  readonly request: string;
  readonly title: string;
  readonly digest: string;
  readonly covers: string;
  readonly expires_at: string;
  readonly command: string;
  readonly diff: string;
}

/** The pull request as the forge numbers and shows it. */
export interface PullRequest {
  readonly number: number;
  readonly url: string;
}

/** Reason why a task failed: a stable code, what happened, what to do about it. */
export interface Failure {
  readonly reason: string;
  readonly detail: string;
  readonly remedy: string;
}

/** The limits of a task as they stand: what was submitted and every raise since. */
export interface TaskBudget {
  readonly cost_microusd?: number;
  readonly turns?: number;
  readonly wall_seconds?: number;
  readonly submitted?: Budget;
}

/** A limit that is met. Scopes cost, person, account: micro-dollars; turns; wall: seconds. */
export interface ExhaustedBudget {
  readonly scope: "account" | "cost" | "person" | "turns" | "wall";
  readonly spent: number;
  readonly limit: number;
  readonly resets_at?: string | null;
}

/** An instruction that can still be edited or withdrawn. */
export interface WaitingInstruction {
  readonly version: number;
  readonly mode: InstructionMode;
  readonly title: string;
}

/** The task and version that a fork began from. */
export interface Origin {
  readonly task: string;
  readonly version: number;
}

/** One task as it stands at `version`. Money in millionths of a US dollar. */
export interface TaskState {
  readonly id: string;
  readonly account: string;
  readonly version: number;
  readonly phase: Phase;
  readonly title: string;
  readonly prompt: string;
  readonly repository: Repository;
  readonly model: string;
  readonly submitted_at: string;
  readonly updated_at: string;
  readonly waiting: Waiting;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly attempts: number;
  readonly turns: number;
  readonly tool_calls: number;
  readonly cost_microusd: number;
  readonly machine_cost_microusd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly activity: string;
  readonly command: string;
  readonly plan: ReadonlyArray<PlanItem>;
  readonly question: Question | null;
  readonly approval: Approval | null;
  readonly files_changed: number;
  readonly insertions: number;
  readonly deletions: number;
  readonly branch: string;
  readonly commit: string;
  readonly pull_request: PullRequest | null;
  readonly summary: string;
  readonly outcome: string;
  readonly failure: Failure | null;
  readonly is_archived: boolean;
  readonly is_quarantined: boolean;
  readonly since: string | null;
  readonly budget: TaskBudget | null;
  readonly budget_exhausted: ExhaustedBudget | null;
  readonly retry_at: string | null;
  readonly policy: Policy | null;
  readonly instructions: ReadonlyArray<WaitingInstruction>;
  readonly origin: Origin | null;
}

/** Something a person or the agent said, and the version of the event that holds it. */
export interface Message {
  readonly version: number;
  readonly at: string;
  readonly role: MessageRole;
  readonly text: string;
}

/** A task as it stood at `state.version`. `head` is the history's last version now. */
export interface PastTask {
  readonly state: TaskState;
  readonly conversation: ReadonlyArray<Message>;
  readonly head: number;
}

/** One earlier request for approval, at a version of its task, and the answer. */
export interface Precedent {
  readonly task: string;
  readonly version: number;
  readonly title: string;
  readonly asked_at: string;
  readonly verdict: Verdict | null;
  readonly scope: ApprovalScope | null;
  readonly answered_by: string;
  readonly answered_at: string | null;
  readonly is_same_call: boolean;
}

/** Counts of similar requests in the same repository, and the newest five of them. */
export interface PrecedentList {
  readonly asked: number;
  readonly allowed: number;
  readonly denied: number;
  readonly is_capped: boolean;
  readonly data: ReadonlyArray<Precedent>;
}

/** One thing wrong in a request. `pointer` is a JSON pointer (RFC 6901) into its body. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
  readonly code: string;
}

/** Problem details. `retryable` means: the very same request may succeed later. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors: ReadonlyArray<Fault>;
  readonly retryable: boolean;
  readonly request_id: string;
}

/** The kinds of push there are, and the `applicationServerKey` of the web's. */
export interface PushKey {
  readonly kinds: ReadonlyArray<"apns" | "fcm" | "web">;
  readonly vapid_public_key: string;
}

/** One delivery attempt. `status` is the push service's HTTP status, 0 without a response. */
export interface PushAttempt {
  readonly number: number;
  readonly begun_at: string;
  readonly status: number | null;
  readonly reason: string;
  readonly seconds: number | null;
}

/** A push and its state. `about` is the event's tag. */
export interface SentPush {
  readonly id: string;
  readonly task: string | null;
  readonly version: number;
  readonly class: "done" | "failed" | "needs_input" | "test" | "withdrawn";
  readonly about: string;
  readonly state: "accepted" | "dead" | "declined" | "expired" | "given_up" | "overtaken" | "seen" | "signed_out" | "waiting" | "withheld";
  readonly created_at: string;
  readonly due_at: string;
  readonly expires_at: string;
  readonly ended_at: string | null;
  readonly attempts: ReadonlyArray<PushAttempt>;
}

/** Pushes, newest first; `next` is the `after` of the following page, null on the last. */
export interface PushPage {
  readonly data: ReadonlyArray<SentPush>;
  readonly next: string | null;
}

/** A repository that a person has sent tasks to, and its branches, the last used first. */
export interface RecentRepository {
  readonly url: string;
  readonly branches: ReadonlyArray<string>;
  readonly used_at: string;
}

/** The repositories and models of a person's newest tasks, the last used first. */
export interface Recents {
  readonly repositories: ReadonlyArray<RecentRepository>;
  readonly models: ReadonlyArray<string>;
}

/** The newest refresh token of a session. */
export interface Renewal {
  readonly refresh_token: string;
}

/** A repository the person can see. */
export interface RepositoryInfo {
  readonly full_name: string;
  readonly clone_url: string;
  readonly default_branch: string;
  readonly private: boolean;
  readonly description: string | null;
  readonly pushed_at: string | null;
}

/** Some of the person's repositories; `next` is what `after` must be for more. */
export interface RepositoryPage {
  readonly data: ReadonlyArray<RepositoryInfo>;
  readonly next: string | null;
}

/** The new role of a member. */
export interface RoleChange {
  readonly role: Role;
}

/** A stored secret without its value. `last4` is empty when the value is very short. */
export interface SecretInfo {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  readonly version: number;
  readonly last4: string;
  readonly created_at: string;
}

/** The secrets the account keeps, without their values. */
export interface SecretList {
  readonly data: ReadonlyArray<SecretInfo>;
}

/** A secret to keep. */
export interface SecretRequest {
  readonly provider: "anthropic" | "forge";
  readonly text: string;
  readonly name?: string;
}

/** The last version a person has seen, per task, on any of their devices. */
export interface Seen {
  readonly cursors: Readonly<Record<string, number>>;
}

/** The model that answers when none is named, and the kind of its server. */
export interface ModelOffered {
  readonly kind: string;
  readonly name: string;
}

/** A forge whose repositories may be named. */
export interface ForgeOffered {
  readonly kind: string;
  readonly url: string;
}

/** The model, the forges and the sign-in methods that this server offers. */
export interface ServerInfo {
  readonly model: ModelOffered;
  readonly forges: ReadonlyArray<ForgeOffered>;
  readonly version: string;
  readonly sign_in_methods: ReadonlyArray<string>;
}

/** A signed-in device: `token` is valid until `expires_at`; then exchange `refresh_token`. */
export interface Session {
  readonly token: string;
  readonly expires_at: string;
  readonly refresh_token: string;
  readonly session: string;
  readonly account: string;
  readonly person: string;
  readonly role: Role;
}

/** One of a person's sessions. */
export interface SessionInfo {
  readonly session: string;
  readonly device: string;
  readonly platform: string;
  readonly created_at: string;
  readonly seen_at: string;
  readonly is_current: boolean;
}

/** The person's sessions; all of them fit. */
export interface SessionPage {
  readonly data: ReadonlyArray<SessionInfo>;
  readonly next: string | null;
}

/** Spend limits per day and month (UTC), in micro-dollars; null: no limit is set. */
export interface Limits {
  readonly day_microusd?: number | null;
  readonly month_microusd?: number | null;
}

/** Amount spent of a limit, and amount reserved for running calls. */
export interface Spend {
  readonly day_microusd: number;
  readonly month_microusd: number;
  readonly reserved_microusd: number;
}

/** The limits an account or a person may spend, and the amounts spent this day and month. */
export interface Allowance {
  readonly limits: Limits;
  readonly spent: Spend;
}

/** The budgets of the account, shared by all its people, and of the person who asks. */
export interface SettingsKept {
  readonly account: Allowance;
  readonly person: Allowance;
}

/** Budgets to set; what is left out is not limited, but for an account's day. */
export interface SettingsRequest {
  readonly account?: Limits;
  readonly person?: Limits;
}

/** Links, newest first, with those that ended in the last 90 days. */
export interface ShareList {
  readonly data: ReadonlyArray<Share>;
}

/** A link to make. It shows the task as it stands now, or goes on with it (`is_live`). */
export interface ShareRequest {
  readonly parts?: SharedParts;
  readonly is_live?: boolean;
  readonly up_to_version?: number | null;
  readonly expires_at?: string | null;
}

/** A task as a link shows it: the fold of the events that `…/events` answers. */
export interface SharedTask {
  readonly state: TaskState;
  readonly parts: SharedParts;
  readonly is_live: boolean;
  readonly expires_at: string | null;
}

/** Name and platform a device reports. */
export interface SignInDevice {
  readonly name?: string;
  readonly platform?: string;
}

/** A code (of a pairing, an invitation or a mailed link), and what the device calls itself. */
export interface SignIn {
  readonly code: string;
  readonly device?: SignInDevice;
  readonly transport?: "cookie" | "token";
}

/** The switches that are thrown. */
export interface SwitchList {
  readonly data: ReadonlyArray<KillSwitch>;
}

/** A place where searched words occur: the text around them, and the version that said it. */
export interface Match {
  readonly role: MessageRole | "title";
  readonly version: number;
  readonly snippet: string;
}

/** Tasks, newest first; `next` is the `after` of the following page, null on the last. */
export interface TaskPage {
  readonly data: ReadonlyArray<TaskState>;
  readonly next: string | null;
  readonly matches?: Readonly<Record<string, Match>>;
}

/** The repository to work on; without `base`, from its default branch. */
export interface RepositoryRequest {
  readonly url: string;
  readonly base?: string;
}

/** A new task on a repository. `rules` decide on tool calls before the policy does. */
export interface TaskRequest {
  readonly prompt: string;
  readonly repository: RepositoryRequest;
  readonly model?: string;
  readonly effort?: Effort;
  readonly budget?: BudgetRequest;
  readonly policy?: Policy;
  readonly rules?: ReadonlyArray<ApprovalRule>;
  readonly attachments?: ReadonlyArray<AttachmentRequest>;
  readonly environment?: EnvironmentRequest | null;
}

/** The cost of one reply of the model, in tokens and millionths of a US dollar. */
export interface ModelReply {
  readonly version: number;
  readonly at: string;
  readonly model: string;
  readonly turn: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cost_microusd: number;
}

/** The cost of a task's model calls, in all and reply by reply, oldest first. */
export interface TaskUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_microusd: number;
  readonly data: ReadonlyArray<ModelReply>;
}

/** A template as its person writes it; a task's fields but `name` and `text` are as it is sent. */
export interface TemplateRequest {
  readonly kind: "reply" | "task";
  readonly text: string;
  readonly name?: string;
  readonly repository?: RepositoryRequest | null;
  readonly model?: string;
  readonly effort?: Effort | null;
  readonly policy?: Policy | null;
  readonly budget?: BudgetRequest | null;
}

/** A stored template: its id and its content. */
export interface Template {
  readonly template: string;
  readonly content: TemplateRequest;
  readonly updated_at: string;
}

/** All templates of a person, the oldest first. */
export interface TemplateList {
  readonly data: ReadonlyArray<Template>;
}

/** For one entry of `person` to the stream, where no header can be sent. */
export interface Ticket {
  readonly ticket: string;
  readonly expires_at: string;
  readonly person: string;
}

/** An image that waits for the message it goes with, until `expires_at`. */
export interface UploadedAttachment {
  readonly id: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  readonly expires_at: string;
}

/** Usage of the calls of one day, model, task, person or repository. */
export interface UsageLine {
  readonly key: string;
  readonly calls: number;
  readonly presumed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cost_microusd: number;
  readonly own_key_microusd: number;
}

/** The cost of the model calls of some days: `since` and `until` are whole days in UTC. */
export interface UsagePage {
  readonly since: string;
  readonly until: string;
  readonly by: "day" | "model" | "person" | "repository" | "task";
  readonly data: ReadonlyArray<UsageLine>;
}

/** Allow or deny what the agent asked to do; with scope `task`, similar calls too. */
export interface VerdictRequest {
  readonly digest: string;
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly scope?: ApprovalScope;
}

/** One changed file; of binary files no lines are counted. */
export interface WorkChange {
  readonly path: string;
  readonly previous_path: string;
  readonly change: "added" | "deleted" | "modified" | "renamed" | "type_changed";
  readonly insertions: number;
  readonly deletions: number;
  readonly is_binary: boolean;
  readonly old_mode: string;
  readonly new_mode: string;
  readonly category: "" | "generated" | "lock" | "test";
  readonly is_guarded: boolean;
  readonly patch_bytes: number;
  readonly is_truncated: boolean;
}

/** The files that the work has changed, in the order of their paths. */
export interface WorkChanges {
  readonly version: number;
  readonly taken_at: string | null;
  readonly base: string;
  readonly tree: string;
  readonly calls_since: number;
  readonly files: number;
  readonly insertions: number;
  readonly deletions: number;
  readonly files_left_out: number;
  readonly left_out: ReadonlyArray<LeftOut>;
  readonly data: ReadonlyArray<WorkChange>;
}

/** One file's patch: unified, three lines of context, secrets redacted. `version` as above. */
export interface WorkPatch {
  readonly version: number;
  readonly file: WorkChange;
  readonly patch: string;
}

/** Change the instruction at the version `instruction`, on the stream. */
export interface InstructionEditRequest {
  readonly instruction: number;
  readonly text: string;
}

/** Withdraw the instruction at the version `instruction`, on the stream. */
export interface InstructionWithdrawalRequest {
  readonly instruction: number;
}

/** Answer the question `request`, on the stream. */
export interface QuestionAnswerRequest {
  readonly request: string;
  readonly text: string;
}

/** Answer the request `request`, on the stream. `digest` is that of what was seen. */
export interface ApprovalAnswerRequest {
  readonly request: string;
  readonly digest: string;
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly scope?: ApprovalScope;
}

/** The arguments of each operation of a `cmd` frame. */
export interface CommandArguments {
  readonly submit: TaskRequest;
  readonly fork: ForkRequest;
  readonly instruct: InstructionRequest;
  readonly edit_instruction: InstructionEditRequest;
  readonly withdraw_instruction: InstructionWithdrawalRequest;
  readonly answer: QuestionAnswerRequest;
  readonly approve: ApprovalAnswerRequest;
  readonly interrupt: InterruptRequest;
  readonly cancel: CancelRequest;
  readonly archive: ArchiveRequest;
  readonly budget: BudgetRaiseRequest;
  readonly allow_host: HostAllowanceRequest;
}
