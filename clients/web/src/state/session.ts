// Who is signed in. The session itself is a cookie that no script can read.
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Api, ProblemError } from "../line/api.ts";
import type { Me } from "../model/generated/api.gen.ts";

export interface Session {
  /** undefined: not known yet; null: signed out. */
  readonly me: ReadonlySignal<Me | null | undefined>;
  /** Trade a code (pairing, invitation, mailed link) for a session. Throws ProblemError. */
  signIn(code: string): Promise<void>;
  /** Forget everything of the person on this device, then end the session. */
  signOut(): Promise<void>;
  /** Look again who is signed in: at the start, and when a sign-in ended elsewhere (GitHub). */
  refresh(): Promise<void>;
  /** The gateway does not know the session any more: what is kept waits for the same person. */
  end(): void;
  /** The person ended this device's session on another: nothing of theirs stays here. */
  revoked(): Promise<void>;
}

export interface SessionParts {
  readonly api: Api;
  readonly storage: () => Storage;
  /** Forget what this window has of the person: with "device", also what the device keeps. */
  readonly wipe: (where: "window" | "device") => Promise<void>;
  readonly deviceName: string;
}

const KEY = "errand.me";
/** Whose work this device keeps: also after the session has ended. */
export const OWNER_KEY = "errand.owner";
/** A session that was signed out here, and the gateway has not heard of it yet. */
const LEAVING_KEY = "errand.leaving";

export function createSession({ api, storage, wipe, deviceName }: SessionParts): Session {
  const me = signal<Me | null | undefined>(readMe(storage));
  let owner = me.peek()?.person ?? readText(storage, OWNER_KEY);
  let leaving = readText(storage, LEAVING_KEY);

  function keep(key: string, text: string): void {
    try {
      if (text === "") storage().removeItem(key);
      else storage().setItem(key, text);
    } catch {
      // out of reach, or full: the app does not start without a network then
    }
  }

  function know(found: Me | null): void {
    me.value = found;
    keep(KEY, found === null ? "" : JSON.stringify(found));
  }

  /** Let a person in; what is here of another one is neither shown to them nor sent for them. */
  async function enter(found: Me): Promise<void> {
    if (owner !== "" && owner !== found.person) {
      const isWiped = readText(storage, OWNER_KEY) === found.person; // another window has done it
      await wipe(isWiped ? "window" : "device");
    }
    owner = found.person;
    keep(OWNER_KEY, owner);
    know(found);
  }

  /** End the session that was signed out here. False: the gateway has still not heard of it. */
  async function leave(): Promise<boolean> {
    if (leaving === "") return true;
    try {
      await api.delete(`/v1/sessions/${encodeURIComponent(leaving)}`);
    } catch (error) {
      const status = error instanceof ProblemError ? error.problem.status : 0;
      if (status !== 401 && status !== 404) return false;
    }
    leaving = "";
    keep(LEAVING_KEY, "");
    return true;
  }

  async function forget(): Promise<void> {
    know(null);
    await wipe("device");
    owner = "";
    keep(OWNER_KEY, "");
  }

  return {
    me,
    async signIn(code) {
      await leave();
      const device = { name: deviceName, platform: "web" };
      const body = { code, device, transport: "cookie" };
      await enter(await api.post<Me>("/v1/sessions", body));
      leaving = "";
      keep(LEAVING_KEY, "");
    },
    async signOut() {
      leaving = me.peek()?.session ?? "";
      keep(LEAVING_KEY, leaving); // the cookie outlives a sign-out without a network
      await forget();
      await leave();
    },
    revoked: forget,
    async refresh() {
      if (!(await leave())) {
        me.value = null;
        return;
      }
      try {
        await enter(await api.get<Me>("/v1/me"));
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

function readText(storage: () => Storage, key: string): string {
  try {
    return storage().getItem(key) ?? "";
  } catch {
    return "";
  }
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
