// The socket to the gateway: it says hello with a ticket, keeps itself alive, and comes back.

import type { StoredEvent } from "../model/generated/events.gen.ts";
import type {
  FromDevice,
  Subscription,
  ToDevice,
  Vis,
  Welcome,
} from "../model/generated/frames.gen.ts";
import { SUBPROTOCOL } from "../model/generated/frames.gen.ts";
import { closeAction, MAX_MISSED_HEARTBEATS, pauseMs } from "../model/protocol/reconnect.ts";
import { watchWaking } from "./waking.ts";

const CONNECT_TIMEOUT_MS = 8000;
const RENEW_MARGIN_MS = 60_000;
/** Several signs of one waking come together. */
const WAKING_MS = 500;

export type ServerItem = ToDevice | StoredEvent;

export interface StreamStatus {
  readonly kind: "live" | "connecting" | "offline" | "stopped";
  readonly reason: string;
}

export interface StreamParts {
  readonly window: Window & typeof globalThis;
  /** A ticket for one entry. Throws when there is none: then it is tried again later. */
  readonly ticket: (isRenewal: boolean) => Promise<string>;
  readonly device: string;
  readonly subs: () => readonly Subscription[];
  readonly vis: () => Vis;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onItems: (items: readonly ServerItem[]) => void;
  readonly onStatus: (status: StreamStatus) => void;
  readonly onSignedOut: () => void;
}

export interface Stream {
  start(): void;
  stop(): void;
  /** False: there is no connection that has been welcomed. */
  send(frame: FromDevice): boolean;
  /** Abandon the socket, whatever it says of itself, and connect at once. */
  reconnect(): void;
}

export function createStream(parts: StreamParts): Stream {
  const { window, onStatus } = parts;
  let socket: WebSocket | null = null;
  let isRunning = false;
  let isWelcome = false;
  let failures = 0;
  let retryMs = 0;
  let reason = "";
  let begunAt = 0;
  let attempt = 0;
  let silenceMs = CONNECT_TIMEOUT_MS;
  let silence = 0;
  let pause = 0;
  let renewal = 0;

  function abandon(): void {
    attempt += 1; // what a socket of an earlier attempt says is not listened to
    for (const timer of [silence, pause, renewal]) window.clearTimeout(timer);
    const old = socket;
    socket = null;
    isWelcome = false;
    old?.close();
  }

  async function connect(): Promise<void> {
    abandon();
    const mine = attempt;
    begunAt = Date.now();
    retryMs = 0;
    reason = "";
    silenceMs = CONNECT_TIMEOUT_MS;
    if (failures === 0) onStatus({ kind: "connecting", reason: "" });
    try {
      const ticket = await parts.ticket(false);
      if (mine === attempt && isRunning) open(ticket);
    } catch {
      if (mine === attempt && isRunning) comeBack();
    }
  }

  function open(ticket: string): void {
    const mine = attempt;
    const url = new URL("/v1/stream", window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const opened = new window.WebSocket(url, SUBPROTOCOL);
    socket = opened;
    heard();
    opened.onopen = () => {
      if (mine !== attempt) return;
      const device = { id: parts.device, platform: "web" };
      const { state } = parts.vis();
      write({ t: "hello", v: 1, ticket, device, vis: state, subs: parts.subs() });
    };
    opened.onmessage = ({ data }) => {
      if (mine === attempt) take(data);
    };
    opened.onclose = ({ code }) => {
      if (mine === attempt) closed(code);
    };
  }

  function take(data: unknown): void {
    heard();
    let items: ServerItem[];
    try {
      items = JSON.parse(String(data)) as ServerItem[];
    } catch {
      comeBack(); // cut on its way
      return;
    }
    for (const item of items) {
      if (!("t" in item)) continue;
      if (item.t === "welcome") welcomed(item);
      else if (item.t === "ping") write({ t: "pong" });
      else if (item.t === "bye") {
        retryMs = item.retry_ms;
        reason = item.reason ?? "";
      }
    }
    parts.onItems(items);
  }

  function welcomed(welcome: Welcome): void {
    const isFirst = !isWelcome; // and not the answer to `auth`
    failures = 0;
    isWelcome = true;
    silenceMs = welcome.heartbeat_ms * MAX_MISSED_HEARTBEATS;
    heard();
    onStatus({ kind: "live", reason: "" });
    window.clearTimeout(renewal);
    if (welcome.expires) {
      const left = Date.parse(welcome.expires) - Date.parse(welcome.now);
      renewal = window.setTimeout(renew, Math.max(0, left - RENEW_MARGIN_MS));
    }
    if (isFirst) parts.onWelcome(welcome);
  }

  function renew(): void {
    const mine = attempt;
    parts.ticket(true).then(
      (ticket) => {
        if (mine === attempt) write({ t: "auth", ticket });
      },
      () => undefined, // the gateway closes with 4005, and it comes back with a new ticket
    );
  }

  function heard(): void {
    window.clearTimeout(silence);
    silence = window.setTimeout(comeBack, silenceMs);
  }

  function closed(code: number): void {
    switch (closeAction(code)) {
      case "stop":
        halt(stopReason(code, reason));
        return;
      case "signed_out":
        halt("You were signed out. Sign in again.");
        parts.onSignedOut();
        return;
      case "renew":
        void connect();
        return;
      case "come_back":
        comeBack();
    }
  }

  function comeBack(): void {
    abandon();
    if (!isRunning) return;
    failures += 1;
    onStatus({ kind: "offline", reason });
    pause = window.setTimeout(connect, pauseMs(failures, retryMs, Math.random()));
  }

  function halt(why: string): void {
    isRunning = false;
    abandon();
    onStatus({ kind: "stopped", reason: why });
  }

  function write(frame: FromDevice): void {
    if (socket?.readyState === window.WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  function wake(): void {
    if (!isRunning || Date.now() - begunAt < WAKING_MS) return;
    failures = 0;
    void connect();
  }

  watchWaking(window, wake, () => {
    if (isRunning) onStatus({ kind: "offline", reason: "" });
  });

  return {
    start() {
      isRunning = true;
      failures = 0;
      void connect();
    },
    stop() {
      halt("You are signed out.");
    },
    send(frame) {
      if (isWelcome) write(frame);
      return isWelcome;
    },
    reconnect() {
      isRunning = true;
      failures = 0;
      void connect();
    },
  };
}

function stopReason(code: number, said: string): string {
  if (code === 4510) return "Errand is open in another window of this browser, which took over.";
  if (code === 4501) return "This version of the app is too old. Load it again.";
  const why = said === "" ? "The gateway ended the connection." : said;
  return `${why} Load the app again (code ${code}).`;
}
