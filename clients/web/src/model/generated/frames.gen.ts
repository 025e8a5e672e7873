// Generated from the Python code by `make docs`. Do not edit.
import type { Phase, Problem, PullRequest, Waiting } from "./api.gen.ts";

export type Visibility = "active" | "background";

export type ResetReason = "not_found" | "position_lost" | "unavailable";

export type AskKind = "approval" | "budget" | "instruction" | "question";

export type EphemeralKind = "output" | "text" | "thinking";

/** The device of a connection; a new connection of the same device replaces the old. */
export interface Device {
  readonly id: string;
  readonly name?: string;
  readonly platform?: string;
}

/** A task (or `inbox`) and the last version the device has of it. */
export interface Subscription {
  readonly task: string;
  readonly version?: number;
}

/** The first frame: credentials, and the positions from which to go on. */
export interface Hello {
  readonly t: "hello";
  readonly v: number;
  readonly device: Device;
  readonly token?: string;
  readonly ticket?: string;
  readonly vis?: Visibility;
  readonly subs?: ReadonlyArray<Subscription>;
}

/** Send this task's events after `version`; of `inbox`, one line per task. */
export interface Sub {
  readonly t: "sub";
  readonly task: string;
  readonly version?: number;
}

/** Send no more of this task. */
export interface Unsub {
  readonly t: "unsub";
  readonly task: string;
}

/** Do something. `id` is the client's UUID: sent twice, it is carried out once. */
export interface Cmd {
  readonly t: "cmd";
  readonly id: string;
  readonly op: string;
  readonly task?: string;
  readonly args?: unknown;
}

/** The last version the person has seen, per task: what they have seen needs no push. */
export interface Seen {
  readonly t: "seen";
  readonly cursors: Readonly<Record<string, number>>;
}

/** The visibility of the app, and the task it shows. */
export interface Vis {
  readonly t: "vis";
  readonly state: Visibility;
  readonly focus?: string;
}

/** A newer token, or a ticket, of the same person, before the old credential ends. */
export interface Auth {
  readonly t: "auth";
  readonly token?: string;
  readonly ticket?: string;
}

/** The answer to a ping. */
export interface Pong {
  readonly t: "pong";
}

/** A frame of the device: one object. */
export type FromDevice =
  | Hello
  | Sub
  | Unsub
  | Cmd
  | Seen
  | Vis
  | Auth
  | Pong;

/** The answer to hello and auth. `now` and `expires` are RFC 3339; null: it does not expire. */
export interface Welcome {
  readonly t: "welcome";
  readonly conn: string;
  readonly now: string;
  readonly heartbeat_ms: number;
  readonly limits: Readonly<Record<string, number>>;
  readonly expires?: string | null;
}

/** The device has everything up to `version`; what follows is live. */
export interface Live {
  readonly t: "live";
  readonly task: string;
  readonly version: number;
}

/** Too much to send here: fetch what is after `after` from `url`, then `sub` again. */
export interface Behind {
  readonly t: "behind";
  readonly task: string;
  readonly after: number;
  readonly head: number;
  readonly url: string;
}

/** No events of this task can be sent, or not from that version; `reason` says why. */
export interface Reset {
  readonly t: "reset";
  readonly task: string;
  readonly head: number;
  readonly reason: ResetReason;
}

/** The newest version of each task watched: a free check of the device's positions. */
export interface Heads {
  readonly t: "head";
  readonly versions: Readonly<Record<string, number>>;
}

/** The request of a task to a person; `title` is one line of text, cut with … where it is long. */
export interface Ask {
  readonly kind: AskKind;
  readonly title: string;
  readonly request?: string;
  readonly is_whole?: boolean;
  readonly options?: ReadonlyArray<string>;
  readonly command?: string;
  readonly covers?: string;
  readonly digest?: string;
  readonly expires_at?: string | null;
}

/** One task in the inbox, as it stands at `version`. A later line replaces an earlier one. */
export interface Line {
  readonly t: "line";
  readonly task: string;
  readonly version: number;
  readonly phase: Phase;
  readonly title: string;
  readonly waiting: Waiting;
  readonly cost_microusd: number;
  readonly updated_at: string;
  readonly repository?: string;
  readonly submitted_at?: string | null;
  readonly since?: string | null;
  readonly asks?: Ask | null;
  readonly retry_at?: string | null;
  readonly budget_microusd?: number;
  readonly files_changed?: number;
  readonly insertions?: number;
  readonly deletions?: number;
  readonly branch?: string;
  readonly pull_request?: PullRequest | null;
  readonly outcome?: string;
  readonly is_archived?: boolean;
}

/** The last version the person has seen, per task, on any of their devices. None goes back. */
export interface SeenCursors {
  readonly t: "seen";
  readonly cursors: Readonly<Record<string, number>>;
}

/** The command is stored in the log, at this version of this task. */
export interface Ack {
  readonly t: "ack";
  readonly id: string;
  readonly task: string;
  readonly version: number;
}

/** The command was not carried out. */
export interface Nak {
  readonly t: "nak";
  readonly id: string;
  readonly problem: Problem;
}

/** Answer with pong. */
export interface Ping {
  readonly t: "ping";
}

/** The connection ends; come back after `retry_ms`. */
export interface Bye {
  readonly t: "bye";
  readonly code: number;
  readonly retry_ms: number;
  readonly reason?: string;
}

/** One piece of a block. `offset` counts the characters of the block that came before it. */
export interface Ephemeral {
  readonly t: "eph";
  readonly task: string;
  readonly kind: EphemeralKind;
  readonly block: string;
  readonly offset: number;
  readonly text: string;
}

/** An item of a frame of the server. */
export type ToDevice =
  | Welcome
  | Live
  | Behind
  | Reset
  | Heads
  | Line
  | SeenCursors
  | Ack
  | Nak
  | Ping
  | Bye
  | Ephemeral;

export const SUBPROTOCOL = "errand.v1+json";

export const INBOX = "inbox";

export const MAX_FRAME_BYTES = 65536;

export const MAX_SUBSCRIPTIONS = 128;

export const MAX_SEEN_CURSORS = 500;

export const CLOSE = {
  GOING_AWAY: 4001,
  TOKEN_EXPIRED: 4005,
  RATE_LIMITED: 4008,
  SLOW: 4009,
  POSITION_LOST: 4010,
  NO_PONG: 4012,
  BAD_FRAME: 4500,
  WRONG_VERSION: 4501,
  NO_HELLO: 4503,
  REVOKED: 4504,
  FORBIDDEN: 4506,
  REPLACED: 4510,
  TOO_MANY: 4511,
} as const;

export const MIN_STOP_CODE = 4500;

export const MAX_STOP_CODE = 4999;
