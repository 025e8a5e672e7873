// Whose work a device shows: never another person's, whatever became of the session before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Api, makeProblem, ProblemError } from "../../src/line/api.ts";
import type { Me } from "../../src/model/generated/api.gen.ts";
import { createSession } from "../../src/state/session.ts";

const ADA = me("ada");
const BEN = me("ben");

function me(name: string): Me {
  return {
    account: `acc_${name}`,
    person: `per_${name}`,
    session: `ses_${name}`,
    role: "owner",
    scopes: [],
    expires_at: "2026-11-28T12:00:00Z",
  } as unknown as Me;
}

/** A gateway with one cookie, and windows of one browser that has it. */
class Browser {
  cookie: Me | null = null;
  isOnline = true;
  readonly kept = new Map<string, string>();
  readonly ended: string[] = [];

  readonly storage = () =>
    ({
      getItem: (key: string) => this.kept.get(key) ?? null,
      setItem: (key: string, text: string) => void this.kept.set(key, text),
      removeItem: (key: string) => void this.kept.delete(key),
    }) as unknown as Storage;

  open() {
    const wipes: string[] = [];
    const wipe = async (where: string) => void wipes.push(where);
    const api = this.api();
    const session = createSession({ api, storage: this.storage, wipe, deviceName: "Phone" });
    return { session, wipes };
  }

  private api(): Api {
    const answer = <T>(made: () => T): Promise<T> => {
      if (this.isOnline) return Promise.resolve().then(made);
      const problem = makeProblem(0, "unreachable", { detail: "No network.", retryable: true });
      return Promise.reject(new ProblemError(problem));
    };
    return {
      get: () => answer(() => this.cookie ?? refuse(401)),
      post: (_path: string, body: { code: string }) =>
        answer(() => {
          this.cookie = body.code === "ada" ? ADA : BEN;
          return this.cookie;
        }),
      delete: (path: string) =>
        answer(() => {
          if (this.cookie === null) refuse(401);
          this.ended.push(path);
          if (path.endsWith(this.cookie!.session)) this.cookie = null;
        }),
    } as unknown as Api;
  }
}

function refuse(status: number): never {
  throw new ProblemError(makeProblem(status, "refused", { detail: "No.", retryable: false }));
}

test("another person who signs in finds nothing of the one whose session had ended", async () => {
  const browser = new Browser();
  const { session, wipes } = browser.open();
  await session.signIn("ada");
  assert.deepEqual(wipes, []);
  session.end(); // from another device, or too long unused
  await session.signIn("ben");
  assert.deepEqual(wipes, ["device"]);
});

test("nor does one who signs in after the app was opened again", async () => {
  const browser = new Browser();
  const before = browser.open();
  await before.session.signIn("ada");
  before.session.end();
  browser.cookie = null;
  const { session, wipes } = browser.open();
  await session.refresh();
  await session.signIn("ben");
  assert.deepEqual(wipes, ["device"]);
});

test("nor one whose sign-in ended elsewhere, or in another window", async () => {
  const browser = new Browser();
  const [one, other] = [browser.open(), browser.open()];
  await one.session.signIn("ada");
  await other.session.refresh();
  browser.cookie = BEN;
  await one.session.refresh();
  assert.deepEqual(one.wipes, ["device"]);
  await other.session.refresh();
  assert.deepEqual(other.wipes, ["window"], "what Ben has written by now stays");
  assert.equal(other.session.me.value?.person, BEN.person);
});

test("who signs in again finds what was kept", async () => {
  const browser = new Browser();
  const { session, wipes } = browser.open();
  await session.signIn("ada");
  session.end();
  await session.signIn("ada");
  await session.refresh();
  assert.deepEqual(wipes, []);
});

test("signing out without a network lasts: the app opens signed out, and tells the gateway", async () => {
  const browser = new Browser();
  const before = browser.open();
  await before.session.signIn("ada");
  browser.isOnline = false;
  await before.session.signOut();
  assert.deepEqual(before.wipes, ["device"]);
  assert.notEqual(browser.cookie, null, "no script can take it away");
  const { session } = browser.open();
  await session.refresh();
  assert.equal(session.me.value, null);
  browser.isOnline = true;
  await session.refresh();
  assert.equal(session.me.value, null);
  assert.deepEqual(browser.ended, [`/v1/sessions/${ADA.session}`]);
  assert.equal(browser.cookie, null);
});

test("a storage that is out of reach lets the person in", async () => {
  const browser = new Browser();
  browser.cookie = ADA;
  const storage = () => {
    throw new Error("SecurityError");
  };
  const { session } = browser.open();
  await session.refresh();
  const blocked = createSession({
    api: { get: () => Promise.resolve(ADA) } as unknown as Api,
    storage,
    wipe: async () => assert.fail("nothing of another person is here"),
    deviceName: "Phone",
  });
  await blocked.refresh();
  assert.equal(blocked.me.value?.person, ADA.person);
});
