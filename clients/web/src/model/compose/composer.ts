// The composer's one primary action, and the sentence that says what it will do.
import type { Phase, Waiting } from "../generated/api.gen.ts";
import type { InstructionMode } from "../generated/events.gen.ts";

export type ComposerAction = "none" | "queue" | "send" | "stop";

export interface ComposerSituation {
  readonly phase: Phase;
  readonly waiting: Waiting;
  readonly text: string;
  readonly images: number;
  readonly mode: InstructionMode;
  /** An interrupt is on its way. */
  readonly isStopping: boolean;
}

export interface PrimaryAction {
  readonly action: ComposerAction;
  readonly label: string;
  readonly isReady: boolean;
}

const ENDED: ReadonlySet<Phase> = new Set(["finished", "failed", "cancelled"]);

export function isEnded(phase: Phase): boolean {
  return ENDED.has(phase);
}

/** What the one button does: send or queue what is written; with nothing written, stop what runs. */
export function primaryAction(situation: ComposerSituation): PrimaryAction {
  if (lacksWords(situation)) return { action: "send", label: "Send", isReady: false };
  if (hasContent(situation)) {
    if (isEnded(situation.phase)) return ready("send", "Reopen the task");
    if (situation.mode === "queue" && canChoose(situation)) return ready("queue", "Queue");
    return ready("send", "Send");
  }
  if (isEnded(situation.phase) || situation.waiting === "instruction") {
    return { action: "none", label: "Send", isReady: false };
  }
  if (situation.isStopping) return { action: "stop", label: "Stopping", isReady: false };
  return ready("stop", "Stop");
}

/** There is a difference between now and later only while the agent is at work. */
export function canChoose({ phase, waiting }: ComposerSituation): boolean {
  return !isEnded(phase) && waiting !== "instruction";
}

/** What sending would do, where it is not plain; empty where it is. */
export function composerHint(situation: ComposerSituation): string {
  if (lacksWords(situation)) return "Say what to do with the pictures.";
  if (isEnded(situation.phase)) return "An instruction reopens this task.";
  if (situation.waiting === "instruction") return "Stopped. It goes on with your next instruction.";
  if (!hasContent(situation) || situation.mode === "queue") return "";
  if (situation.waiting === "approval") {
    return "Sent now, this takes the place of an answer: the call that waits is not made.";
  }
  if (situation.waiting === "question") return "Sent now, this takes the place of an answer.";
  return "";
}

export function placeholder({ phase, waiting }: ComposerSituation): string {
  if (isEnded(phase)) return "Say more";
  return waiting === "instruction" ? "What next?" : "Instruct Claude";
}

function hasContent({ text }: ComposerSituation): boolean {
  return text.trim() !== "";
}

/** Pictures go with an instruction, and are none by themselves. */
function lacksWords(situation: ComposerSituation): boolean {
  return situation.images > 0 && !hasContent(situation);
}

function ready(action: ComposerAction, label: string): PrimaryAction {
  return { action, label, isReady: true };
}
