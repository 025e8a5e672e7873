// Who is signed in. The session itself is a cookie that no script can read.
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Api, ProblemError } from "../line/api.ts";
import type { Me } from "../model/api.gen.ts";

export interface Session {
  /** undefined: not known yet; null: signed out. */
  readonly me: ReadonlySignal<Me | null | undefined>;
  /** Trade a code (pairing, invitation, mailed link) for a session. Throws ProblemError. */
  signIn(code: string): Promise<void>;
  /** Forget everything of the person on this device, then end the session. */
  signOut(): Promise<void>;
  /** Look again who is signed in: at the start, and when a sign-in ended elsewhere (GitHub). */
  refresh(): Promise<void>;
  /** The gateway does not know the session any more. */
  end(): void;
}

export interface SessionParts {
  readonly api: Api;
  readonly storage: () => Storage;
  /** Forget everything that this device keeps of the person. */
  readonly wipe: () => Promise<void>;
  readonly deviceName: string;
}

const KEY = "errand.me";

export function createSession({ api, storage, wipe, deviceName }: SessionParts): Session {
  const me = signal<Me | null | undefined>(readMe(storage));

  function know(found: Me | null): void {
    me.value = found;
    try {
      if (found === null) storage().removeItem(KEY);
      else storage().setItem(KEY, JSON.stringify(found));
    } catch {
      // out of reach, or full: the app does not start without a network then
    }
  }

  async function forget(): Promise<void> {
    know(null);
    await wipe();
  }

  return {
    me,
    async signIn(code) {
      const device = { name: deviceName, platform: "web" };
      const body = { code, device, transport: "cookie" };
      const found = await api.post<Me>("/v1/sessions", body);
      const last = me.peek();
      if (last && last.person !== found.person) await wipe(); // another person's work is not shown
      know(found);
    },
    async signOut() {
      const session = me.peek()?.session ?? "";
      await forget();
      // Offline the session stays at the gateway: the device's list can end it from elsewhere.
      await api.delete(`/v1/sessions/${encodeURIComponent(session)}`).catch(() => {});
    },
    async refresh() {
      try {
        know(await api.get<Me>("/v1/me"));
      } catch (error) {
        const isSignedOut = error instanceof ProblemError && error.problem.status === 401;
        if (isSignedOut) know(null);
        else if (me.peek() === undefined) me.value = null; // nobody is known here, and no network
      }
    },
    end() {
      know(null);
    },
  };
}

/** Who was signed in when the app was last open: it starts without a network, too. */
function readMe(storage: () => Storage): Me | undefined {
  try {
    const kept: unknown = JSON.parse(storage().getItem(KEY) ?? "null");
    return isMe(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

function isMe(kept: unknown): kept is Me {
  return typeof kept === "object" && kept !== null && "person" in kept && "session" in kept;
}
