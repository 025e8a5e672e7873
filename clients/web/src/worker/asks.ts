// What a push is about, fetched with the session's cookie: so that the card can say it.
import type { Push } from "./pushes.ts";

const PATIENCE_MS = 2000;
const MAX_CARD_CHARACTERS = 140;

/** An approval that can be shown whole on a card, so that it can be answered from there. */
export interface WholeAsk {
  readonly title: string;
  readonly command: string;
  readonly digest: string;
}

interface AskedState {
  readonly version?: number;
  readonly approval?: {
    readonly request: string;
    readonly title: string;
    readonly digest: string;
    readonly command?: string;
    readonly diff?: string;
  } | null;
  readonly question?: { readonly request: string; readonly text: string } | null;
}

/** What a card says in place of the push's own words. */
export interface CardLine {
  /** Empty: as the push has it. */
  readonly title: string;
  readonly text: string;
  readonly ask: WholeAsk | null;
}

/** A push that came late: what it asked about was answered elsewhere, or is not asked any more. */
function overtaken(push: Push): CardLine {
  return { title: "Nothing to do any more", text: push.body, ask: null };
}

/** What the card says; null where nothing is known in time. */
export async function fetchLine(push: Push): Promise<CardLine | null> {
  if (push.task === "" || push.request === "") return null;
  try {
    const response = await signedIn(`/v1/tasks/${encodeURIComponent(push.task)}`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) return null;
    const state = (await response.json()) as AskedState;
    const line = lineOf(state, push.request);
    const isKnown = push.askedAt > 0 && (state.version ?? 0) >= push.askedAt; // and not behind it
    return line ?? (isKnown ? overtaken(push) : null);
  } catch {
    return null;
  }
}

/** The line of a request that is still open. */
export function lineOf(state: AskedState, request: string): CardLine | null {
  const { approval, question } = state;
  if (question?.request === request) return { title: "", text: cut(question.text), ask: null };
  if (approval?.request !== request) return null;
  const command = approval.command ?? "";
  const text = command === "" ? approval.title : `${approval.title}: ${command}`;
  const isWhole =
    command !== "" && !approval.diff && isPlain(text) && text.length <= MAX_CARD_CHARACTERS;
  const ask = isWhole ? { title: approval.title, command, digest: approval.digest } : null;
  return { title: "", text: cut(text), ask };
}

/** One line of visible ASCII: nothing in it can hide on a card. */
function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

function cut(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length <= MAX_CARD_CHARACTERS ? line : `${line.slice(0, MAX_CARD_CHARACTERS - 1)}…`;
}

/** Answer from the card. The digest binds the answer to what the card showed. */
export async function answer(
  push: Push,
  ask: WholeAsk,
  verdict: "allow" | "deny",
): Promise<string> {
  const path = `/v1/tasks/${encodeURIComponent(push.task)}/approvals/${encodeURIComponent(push.request)}`;
  try {
    const response = await signedIn(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify({ digest: ask.digest, verdict, scope: "once" }),
    });
    if (response.ok) return verdict === "allow" ? "Allowed." : "Denied.";
    const problem = (await response.json()) as { detail?: string };
    return problem.detail ?? "It was not taken. Open the app to answer.";
  } catch {
    return "There is no connection. Open the app to answer: it keeps the answer until there is one.";
  }
}

/** Ask with the session's cookie, and renew it once where its time is over. */
async function signedIn(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(path, init);
  if (response.status !== 401) return response;
  const renewed = await navigator.locks.request("errand-session", () =>
    fetch("/v1/sessions/refresh", { method: "POST" }),
  );
  return renewed.ok ? fetch(path, init) : response;
}
