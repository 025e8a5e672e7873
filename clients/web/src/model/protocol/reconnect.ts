// When to come back after a connection ended, and when to stop.
import { CLOSE, MAX_STOP_CODE, MIN_STOP_CODE } from "../generated/frames.gen.ts";

export type Verdict = "come_back" | "renew" | "signed_out" | "stop";

/** What a client's own mistakes end with (RFC 6455 §7.4.1). */
const PROTOCOL_ERRORS: readonly number[] = [1002, 1007, 1009];
export const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
const MAX_DOUBLINGS = 16;
/** After so many heartbeats without a frame the line is dead. */
export const MAX_MISSED_HEARTBEATS = 2.5;

/** The range of a close code is the verdict. */
export function closeAction(code: number): Verdict {
  if (code === CLOSE.TOKEN_EXPIRED) return "renew";
  if (code === CLOSE.REVOKED) return "signed_out";
  const isStop = code >= MIN_STOP_CODE && code <= MAX_STOP_CODE;
  return isStop || PROTOCOL_ERRORS.includes(code) ? "stop" : "come_back";
}

/**
 * The pause after so many failures in a row (1 and up). `retryMs` is what the server asked for, 0 if
 * nothing; `chance` is random between 0 and 1.
 */
export function pauseMs(failures: number, retryMs: number, chance: number): number {
  if (retryMs > 0) return retryMs;
  const doubled = MIN_PAUSE_MS * 2 ** Math.min(failures - 1, MAX_DOUBLINGS);
  return Math.min(doubled, MAX_PAUSE_MS) * (0.5 + chance / 2);
}
