// Who is signed in. The session itself is a cookie that no script can read.
import type { ReadonlySignal } from "@preact/signals";
import type { Me } from "../model/api.gen.ts";

export interface Session {
  /** undefined: not known yet; null: signed out. */
  readonly me: ReadonlySignal<Me | null | undefined>;
  /** Trade a code (pairing, invitation, mailed link) for a session. Throws ProblemError. */
  signIn(code: string): Promise<void>;
  /** Forget everything of the person on this device, then end the session. */
  signOut(): Promise<void>;
  /** Look again who is signed in, when a sign-in ended elsewhere (GitHub). */
  refresh(): Promise<void>;
}
