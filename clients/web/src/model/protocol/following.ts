// What a client does with what it receives of one task: the table of docs/reference/protocol.md.
import type { ResetReason } from "../generated/frames.gen.ts";

export type Following = "following" | "asking" | "fetching" | "pausing";

/** `version` is the last that was applied; `head` the newest known to exist, while fetching. */
export interface Position {
  readonly version: number;
  readonly following: Following;
  readonly head: number;
}

export type Received =
  | { readonly kind: "event"; readonly version: number }
  | { readonly kind: "live"; readonly version: number }
  | { readonly kind: "head"; readonly version: number }
  | { readonly kind: "behind"; readonly head: number }
  | { readonly kind: "page"; readonly versions: readonly number[] }
  | { readonly kind: "reset"; readonly reason: ResetReason }
  | { readonly kind: "pause_over" }
  | { readonly kind: "connected" };

export type Effect =
  | { readonly kind: "apply"; readonly version: number }
  | { readonly kind: "sub"; readonly version: number }
  | { readonly kind: "fetch"; readonly after: number }
  | { readonly kind: "caught_up"; readonly version: number }
  /** Forget all that is stored of the task: the log ends before it. */
  | { readonly kind: "lost" }
  | { readonly kind: "gone" }
  /** Say `sub` again after a second; after `stalled`, ask for the page again. */
  | { readonly kind: "pause" }
  | { readonly kind: "stalled" };

export type Step = readonly [Position, readonly Effect[]];

export function startAt(version: number): Position {
  return { version, following: "following", head: 0 };
}

/** Pure: the same position and item give the same answer. */
export function follow(position: Position, received: Received): Step {
  switch (received.kind) {
    case "event":
      return tookEvent(position, received.version);
    case "live":
      if (received.version !== position.version) return [position, []];
      return [answered(position), [{ kind: "caught_up", version: position.version }]];
    case "head":
      return askIfMissed(position, received.version);
    case "behind":
      return [
        { ...position, following: "fetching", head: received.head },
        [{ kind: "fetch", after: position.version }],
      ];
    case "page":
      return tookPage(position, received.versions);
    case "reset":
      return wasReset(position, received.reason);
    case "pause_over":
      return position.following === "pausing" ? subscribe(position) : [position, []];
    case "connected":
      return [{ ...position, following: "following", head: 0 }, []];
  }
}

function tookEvent(position: Position, version: number): Step {
  if (version !== position.version + 1) return askIfMissed(position, version);
  return [{ ...answered(position), version }, [{ kind: "apply", version }]];
}

/** Once, until it is answered: what is on its way meanwhile is dropped. */
function askIfMissed(position: Position, version: number): Step {
  if (version <= position.version || position.following !== "following") return [position, []];
  return [{ ...position, following: "asking" }, [{ kind: "sub", version: position.version }]];
}

function tookPage(position: Position, versions: readonly number[]): Step {
  if (position.following !== "fetching") return [position, []];
  let { version } = position;
  const effects: Effect[] = [];
  for (const each of versions) {
    if (each !== version + 1) continue;
    version = each;
    effects.push({ kind: "apply", version });
  }
  const after = { ...position, version };
  if (version >= position.head) {
    const [following, more] = subscribe(after);
    return [following, [...effects, ...more]];
  }
  const isStalled = version === position.version;
  effects.push(isStalled ? { kind: "stalled" } : { kind: "fetch", after: version });
  return [after, effects];
}

function wasReset(position: Position, reason: ResetReason): Step {
  switch (reason) {
    case "not_found":
      return [startAt(0), [{ kind: "gone" }]];
    case "position_lost":
      return [startAt(0), [{ kind: "lost" }, { kind: "sub", version: 0 }]];
    default: // `unavailable`, or a reason of a newer server: later
      return [{ ...position, following: "pausing" }, [{ kind: "pause" }]];
  }
}

function subscribe(position: Position): Step {
  const following = { version: position.version, following: "following", head: 0 } as const;
  return [following, [{ kind: "sub", version: position.version }]];
}

/** What was asked for has come. A fetch and a pause go on until their own end. */
function answered(position: Position): Position {
  return position.following === "asking" ? { ...position, following: "following" } : position;
}
