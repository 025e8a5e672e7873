// The state of the line to the gateway, for the header of every screen.
import type { ReadonlySignal } from "@preact/signals";

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
