// The life of a command in words: kept on this phone, in the log, acted on; or overtaken, and by whom.
import { plain, plainLine } from "../plain.ts";
import type { CommandId, Receipt } from "../protocol/receipt.ts";
import type { ApprovalRow, Call, QuestionRow, Row } from "../story/rows.ts";
import { ENGLISH } from "../words/english.ts";
import { ago, exactTime, time } from "../words/numbers.ts";
import { isMe, type People, who } from "../words/people.ts";
import type { Moment } from "../words/task.ts";
import { shellRisks } from "./shell.ts";

export type Receipts = ReadonlyMap<CommandId, Receipt>;
export type AskRow = ApprovalRow | QuestionRow;

/** Where a command stands, in a sentence. */
export function receiptSentence(receipt: Receipt, zone?: string): string {
  switch (receipt.state) {
    case "keeping":
      return ENGLISH.keeping;
    case "kept":
      return ENGLISH.kept;
    case "sent":
      return receipt.problem === null
        ? ENGLISH.sent
        : ENGLISH.sentAgain(plain(receipt.problem.detail));
    case "logged":
      return ENGLISH.logged(
        receipt.version,
        receipt.loggedAt ? exactTime(receipt.loggedAt, zone) : "",
      );
    case "acted":
      return ENGLISH.acted(receipt.version, receipt.actedAt);
    case "refused":
      return plain(receipt.problem.detail);
  }
}

/** Find the newest answer that was given here to a request. */
export function answerTo(receipts: Receipts, task: string, request: string): Receipt | null {
  let newest: Receipt | null = null;
  for (const receipt of receipts.values()) {
    const { op, task: of, args } = receipt.command;
    if ((op !== "answer" && op !== "approve") || of !== task) continue;
    if ((args as { readonly request?: string }).request !== request) continue;
    if (newest === null || receipt.at >= newest.at) newest = receipt;
  }
  return newest;
}

export interface Step {
  readonly words: string;
  readonly isDone: boolean;
  /** The version it links to; 0: none. */
  readonly version: number;
}

/** The steps of an answer given here, each done by a real event. */
export function answerSteps(row: AskRow, receipt: Receipt, zone?: string): readonly Step[] {
  const logged = row.answer?.version ?? ("version" in receipt ? receipt.version : 0);
  const loggedAt = row.answer?.at ?? ("loggedAt" in receipt ? receipt.loggedAt : null);
  const isKept = receipt.state !== "keeping" || logged > 0;
  const isSent = (isKept && receipt.state !== "kept") || logged > 0;
  const acted = actedAt(row, receipt);
  const kept = {
    words: isKept ? ENGLISH.keptAt(exactTime(receipt.at, zone)) : ENGLISH.keeping,
    isDone: isKept,
    version: 0,
  };
  const sent = { words: isSent ? ENGLISH.sent : ENGLISH.goesOut, isDone: isSent, version: 0 };
  const inLog = {
    words:
      logged > 0
        ? ENGLISH.logged(logged, loggedAt ? exactTime(loggedAt, zone) : "")
        : ENGLISH.onItsWay,
    isDone: logged > 0,
    version: logged,
  };
  const wentOn = {
    words: acted > 0 ? ENGLISH.wentOnAt(ENGLISH.agent, acted) : ENGLISH.goesOn(ENGLISH.agent),
    isDone: acted > 0,
    version: acted,
  };
  return [kept, sent, inLog, wentOn];
}

function actedAt(row: AskRow, receipt: Receipt): number {
  if (row.kind === "approval" && row.actedOn > 0) return row.actedOn;
  return receipt.state === "acted" ? receipt.actedAt : 0;
}

/** What was allowed and what was asked, by digest; null: it was not allowed, or has not begun. */
export interface Seal {
  readonly allowed: string;
  readonly ran: string;
  readonly isSame: boolean;
}

/** A worker begins a call only under an answer whose digest is that of the call: it has begun. */
export function sealOf(row: ApprovalRow): Seal | null {
  if (row.answer?.verdict !== "allow" || row.actedOn === 0) return null;
  const [allowed, ran] = [row.answer.digest, row.digest];
  return { allowed, ran, isSame: allowed === ran };
}

const MUTATING: ReadonlySet<string> = new Set(["bash", "edit", "write"]);
const ANYTHING = "changing files and running commands";
const SEPARATOR = ", ";

/**
 * The later calls that ran under an approval for the whole task, without being asked about again.
 * Of commands only: that an edit was risky is in no event. Where every change is asked about, all.
 */
export function coveredCalls(rows: readonly Row[], row: ApprovalRow): readonly Call[] {
  if (row.answer?.verdict !== "allow" || row.answer.scope !== "task") return [];
  const granted = new Set(row.risks.length > 0 ? row.risks : row.covers.split(SEPARATOR));
  const covered: Call[] = [];
  for (const each of rows) {
    if (each.kind === "end" && each.from > row.answer.version) break;
    if (each.kind !== "tools") continue;
    for (const call of each.calls) {
      if (call.from <= row.answer.version || call.call === row.call || call.approval > 0) continue;
      if (isCovered(call, granted)) covered.push(call);
    }
  }
  return covered;
}

function isCovered(call: Call, granted: ReadonlySet<string>): boolean {
  if (granted.has(ANYTHING)) return MUTATING.has(call.tool);
  if (call.tool !== "bash") return false;
  const risks = [...shellRisks(call.command)];
  return risks.length > 0 && risks.every((risk) => granted.has(risk));
}

/** "This approval covered 3 later calls". */
export function coveredWords(calls: readonly Call[]): string {
  return calls.length === 0 ? "" : ENGLISH.covered(ENGLISH.count(calls.length, "later call"));
}

/**
 * What became of an ask that can no longer be answered here: "Denied on another device 2 s ago:
 * “not on main”; nothing was done". Empty while it is open.
 */
export function closedSentence(row: AskRow, people: People, moment: Moment): string {
  const { answer } = row;
  if (answer === null) return unanswered(row, moment);
  const when = ago(answer.at, moment.now, moment.zone);
  const by = isMe(answer.by, people) ? ENGLISH.onAnotherDevice : ENGLISH.by(who(answer.by, people));
  if (!("verdict" in answer))
    return ENGLISH.answeredElsewhere(by, when, plainLine(answer.text, 400));
  const reason = answer.reason === "" ? "" : `: “${plainLine(answer.reason, 400)}”`;
  if (answer.verdict === "deny")
    return `${ENGLISH.deniedElsewhere(by, when)}${reason}; ${ENGLISH.nothingDone}`;
  return ENGLISH.allowedElsewhere(by, when, answer.scope === "task");
}

function unanswered(row: AskRow, moment: Moment): string {
  const isOpen = row.closed === "";
  if (row.kind === "approval" && Date.parse(row.expiresAt) <= moment.now) {
    if (isOpen || row.closed === "call_ended") {
      return ENGLISH.expired(time(row.expiresAt, moment.now, moment.zone));
    }
  }
  return ENGLISH.closed[row.closed];
}
