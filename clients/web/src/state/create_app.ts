// Builds the app's state and joins it: what comes on the line goes to the store and to the screens.
import { effect } from "@preact/signals";
import { createApi, renew } from "../line/api.ts";
import { createStream, type ServerItem, type Stream } from "../line/stream.ts";
import type { Ticket } from "../model/generated/api.gen.ts";
import { INBOX, type Vis } from "../model/generated/frames.gen.ts";
import { uuid7 } from "../model/protocol/ids.ts";
import { idbStore } from "../store/idb.ts";
import { memoryStore } from "../store/memory.ts";
import { type Batch, LIMITS, NotDense, slicesOf } from "../store/store.ts";
import type { App } from "./app.ts";
import { createCommands } from "./commands.ts";
import { createConnection } from "./connection.ts";
import { createClock } from "./device/clock.ts";
import { createDrafts } from "./device/drafts.ts";
import { whenIdle } from "./device/idle.ts";
import { createPreferences } from "./device/preferences.ts";
import { createPush } from "./device/push.ts";
import { createRouter } from "./device/router.ts";
import { createWriteQueue } from "./device/write_queue.ts";
import { createInbox } from "./inbox.ts";
import { createSession, OWNER_KEY } from "./session.ts";
import { createFrames } from "./tasks/frames.ts";
import { createTasks } from "./tasks/tasks.ts";
import { createTemplates } from "./templates.ts";

const TICKET_TIMEOUT_MS = 8000;
/** Where the service worker keeps what another app shared. */
const SHARED = "shared-with-errand";

export function createApp(window: Window & typeof globalThis): App {
  const { document } = window;
  const now = () => Date.now();
  const storage = () => window.localStorage;
  const store = window.indexedDB ? idbStore() : memoryStore();
  const writes = createWriteQueue((error) => window.reportError(error));
  const frames = createFrames(window);
  const clock = createClock(document);
  const router = createRouter(window);
  const api = createApi(() => session.end());
  const session = createSession({ api, storage, wipe, deviceName: deviceName(window) });
  const connection = createConnection(() => stream, now);
  const push = createPush(api);
  const templates = createTemplates(api);
  const drafts = createDrafts(store, writes, now);
  const send: Stream["send"] = (frame) => stream.send(frame);
  const isLive = () => connection.status.peek().kind === "live";
  const newId = createIds(window.crypto);
  const inbox = createInbox({ api, store, frames, writes, send });
  const commands = createCommands({
    api,
    store,
    writes,
    drafts,
    send,
    isLive,
    reconnect: () => stream.reconnect(),
    now,
    newId,
  });
  const tasks = createTasks({
    api,
    store,
    frames,
    writes,
    send,
    isLive,
    now,
    whenIdle,
    account: () => session.me.peek()?.account ?? "",
    seen: (task) => inbox.seen.peek().get(task) ?? 0,
    write: (batch) => write({ tasks: [batch], lines: [] }),
    onEvents: (events) => commands.takeEvents(events),
  });

  const stream = createStream({
    window,
    ticket,
    vis,
    device: newId(),
    subs: () => [{ task: INBOX, version: 0 }, ...tasks.subscriptions()],
    onWelcome(welcome) {
      clock.correct(Date.parse(welcome.now));
      for (const part of [inbox, tasks, commands, templates]) part.connected();
      send(vis());
    },
    onItems: take,
    onStatus: (status) => connection.take(status),
    onSignedOut: () => void session.revoked(),
  });

  function take(items: readonly ServerItem[]): void {
    const lines = inbox.take(items);
    const batches = tasks.take(items);
    commands.take(items);
    if (lines.length > 0 || batches.length > 0) write({ tasks: batches, lines });
  }

  function write(batch: Batch): void {
    const written = writes.add(async () => {
      try {
        for (const slice of slicesOf(batch)) await store.write(slice, now());
      } catch (error) {
        if (!(error instanceof NotDense)) throw error;
        for (const { task } of batch.tasks) await store.forget(task); // another window wiped it
      }
    });
    void written.then(() => tasks.written(batch.tasks));
  }

  async function ticket(isRenewal: boolean): Promise<string> {
    if (isRenewal && !(await renew())) {
      session.end();
      throw new Error("The session has ended.");
    }
    const options = { timeoutMs: TICKET_TIMEOUT_MS };
    const response = await api.request("POST", "/v1/stream/tickets", options);
    const made = (await response.json()) as Ticket;
    if (made.person && made.person !== session.me.peek()?.person) {
      void session.refresh(); // another window let another person in: nothing is sent for them
      throw new Error("Another person is signed in.");
    }
    return made.ticket;
  }

  function vis(): Vis {
    const route = router.path.peek();
    const state = document.visibilityState === "visible" ? "active" : "background";
    return { t: "vis", state, focus: "task" in route && state === "active" ? route.task : "" };
  }

  async function wipe(where: "window" | "device"): Promise<void> {
    stream.stop();
    for (const part of [tasks, inbox, commands, drafts, templates]) part.clear();
    if (where === "device") {
      writes.add(() => store.wipe());
      writes.add(async () => void (await window.caches?.delete(SHARED)));
    }
    await writes.settled();
  }

  /** The task that the app begins with is read while the code of its screen is on its way. */
  function openFirst(): void {
    const route = router.path.peek();
    if ("task" in route && session.me.peek()) tasks.open(route.task).close();
  }

  async function start(): Promise<void> {
    await Promise.all([inbox.load(), commands.load()]);
    openFirst();
    writes.add(() => store.prune(LIMITS, tasks.openTasks()));
    let person = "";
    effect(() => {
      const found = session.me.value?.person ?? "";
      if (found === person) return;
      person = found;
      if (person === "") stream.stop();
      else {
        stream.start();
        // Off line the browser's own answer stands; the gateway gets the address at the next start.
        push.refresh(window.navigator.platform).catch(() => {});
      }
    });
    await session.refresh();
  }

  effect(() => {
    void router.path.value;
    send(vis());
  });
  document.addEventListener("visibilitychange", () => send(vis()));
  window.addEventListener("storage", ({ key }) => {
    if (key === OWNER_KEY) void session.refresh(); // another window signed somebody out, or in
  });
  start().catch((error: unknown) => window.reportError(error));
  const preferences = createPreferences(storage);
  return {
    session,
    connection,
    inbox,
    tasks,
    commands,
    drafts,
    clock,
    api,
    router,
    preferences,
    push,
    templates,
  };
}

/** Ids in the order in which they are made, also within a millisecond. */
function createIds(crypto: Crypto): () => string {
  let last = 0;
  return () => {
    last = Math.max(Date.now(), last + 1);
    return uuid7(last, crypto.getRandomValues(new Uint8Array(10)));
  };
}

function deviceName({ navigator }: Window): string {
  const found = /iPhone|iPad|Android|Macintosh|Windows|CrOS|Linux/.exec(navigator.userAgent)?.[0];
  return found === "Macintosh" ? "Mac" : (found ?? "Browser");
}
