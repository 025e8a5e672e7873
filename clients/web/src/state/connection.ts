// The state of the line to the gateway, for the header of every screen.
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Stream, StreamStatus } from "../line/stream.ts";

export type ConnectionKind = "live" | "connecting" | "offline" | "stopped";

/** `since` is in Unix milliseconds; `reason` is a sentence for people. */
export interface ConnectionStatus {
  readonly kind: ConnectionKind;
  readonly since: number;
  readonly reason?: string;
}

export interface Connection {
  readonly status: ReadonlySignal<ConnectionStatus>;
  /** Connect again now, without the pause. */
  retry(): void;
}

export interface ConnectionFeed {
  take(status: StreamStatus): void;
}

export function createConnection(
  stream: () => Stream,
  now: () => number,
): Connection & ConnectionFeed {
  const status = signal<ConnectionStatus>({ kind: "connecting", since: now() });
  return {
    status,
    retry: () => stream().reconnect(),
    take({ kind, reason }) {
      const last = status.peek();
      if (last.kind === kind && (last.reason ?? "") === reason) return;
      const since = last.kind === kind ? last.since : now();
      status.value = reason === "" ? { kind, since } : { kind, since, reason };
    },
  };
}
