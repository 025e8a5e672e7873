// Which ask stands open over the task: one that the address names, one that just came, or none.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type AskRow, answerTo } from "../../../model/asks/receipts.ts";
import type { BudgetRow, Story } from "../../../model/story/rows.ts";
import type { IconName } from "../../../parts/content/icon.tsx";
import { announce } from "../../../parts/frame/announcer.tsx";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";
import { BUDGET, openAsk } from "./find_ask.ts";

/** What waits for the person now. */
export interface OpenAsk {
  readonly request: string;
  readonly title: string;
  readonly action: string;
  readonly icon: IconName;
}

export interface AskSheetState {
  /** Shown over the task; empty for none. */
  readonly shown: string;
  readonly waiting: OpenAsk | null;
  readonly show: (request: string) => void;
  readonly close: () => void;
}

export function useAskSheet(task: OpenTask, asked: string): AskSheetState {
  const { commands, router } = useApp();
  const route = router.path.value; // another one at each move, also to the same address
  const shown = useSignal(asked);
  const offered = useRef(asked);
  const story = task.story.value;
  const receipts = commands.receipts.value;
  const found = waitingAsk(story, task.view.state.value?.waiting ?? "");
  const isAnswered =
    found !== null &&
    isPending(answerTo(receipts, task.view.id, found.request)?.state ?? "refused");
  const waiting = isAnswered ? null : found;
  const request = waiting?.request ?? "";

  useEffect(() => {
    if (asked !== "") shown.value = asked;
  }, [asked, route]);
  useEffect(() => {
    if (request === "" || request === offered.current) return;
    offered.current = request;
    announce(`Waits for you: ${waiting?.title}`);
    if (shown.value === "" && isUndisturbed()) shown.value = request;
  }, [request]);
  return {
    shown: shown.value,
    waiting,
    show: (wanted) => {
      shown.value = wanted;
    },
    close: () => {
      shown.value = "";
    },
  };
}

function isPending(state: string): boolean {
  return state !== "refused";
}

function waitingAsk(story: Story, waiting: string): OpenAsk | null {
  if (waiting === "budget") return budgetAsk();
  const row = openAsk(story);
  return row === null ? null : askOf(row);
}

function askOf(row: AskRow): OpenAsk {
  const { request } = row;
  return row.kind === "approval"
    ? { request, title: `Allow: ${row.title}`, action: "Review", icon: "shield" }
    : { request, title: row.text, action: "Answer", icon: "question" };
}

function budgetAsk(): OpenAsk {
  return { request: BUDGET, title: "The budget is spent", action: "Raise", icon: "wallet" };
}

export function budgetRow(story: Story): BudgetRow | null {
  const row = story.rows.findLast((each) => each.kind === "budget");
  return row?.kind === "budget" ? row : null;
}

/** The app is in front, nothing lies over it, and nobody types. */
function isUndisturbed(): boolean {
  const active = document.activeElement;
  const isTyping = active instanceof HTMLTextAreaElement || active instanceof HTMLInputElement;
  const isCovered = document.querySelector("dialog[open]") !== null;
  return document.visibilityState === "visible" && document.hasFocus() && !isTyping && !isCovered;
}
