// Rows of the story in words: one line each.
import { plainLine } from "../plain.ts";
import type {
  ApprovalRow,
  BudgetRow,
  Call,
  DeniedRow,
  EndRow,
  MachineRow,
  PlanRow,
  ProviderRow,
  QuestionRow,
  SummaryRow,
} from "../story/rows.ts";
import { type TurnCounts, turnCounts } from "../story/turns.ts";
import { ENGLISH } from "./english.ts";
import { duration, limit, money, time } from "./numbers.ts";
import { type People, who } from "./people.ts";
import type { Moment } from "./task.ts";

/** "Read 6 files, ran 2 commands · 38 s". */
export function toolsLine(calls: readonly Call[]): string {
  const row = { kind: "tools", calls, key: "", from: 0, to: 0, at: "" } as const;
  return countsLine(turnCounts([row]));
}

/** The same of a whole turn. */
export function countsLine(counts: TurnCounts): string {
  const n = ENGLISH.count;
  const parts = [
    counts.read && ENGLISH.read(n(counts.read, "file")),
    counts.searched && ENGLISH.searched(n(counts.searched, "time")),
    counts.edited && ENGLISH.edited(n(counts.edited, "file")),
    counts.commands && ENGLISH.ran(n(counts.commands, "command")),
    counts.others && ENGLISH.used(n(counts.others, "other tool")),
    counts.questions && n(counts.questions, "question"),
    counts.approvals && n(counts.approvals, "approval"),
  ].filter((part) => typeof part === "string");
  const done = parts.length > 0 ? capital(parts.join(", ")) : ENGLISH.worked;
  const failed = counts.failed > 0 ? [ENGLISH.failures(counts.failed)] : [];
  const span = counts.seconds > 0 ? [duration(counts.seconds)] : [];
  return [done, ...failed, ...span].join(" · ");
}

/** How a call ended, where that is worth a word; empty when it went well or still runs. */
export function callOutcome(call: Call): string {
  switch (call.state) {
    case "failed":
      return call.exitCode !== 0 ? ENGLISH.exitCode(call.exitCode) : ENGLISH.failed;
    case "interrupted":
      return ENGLISH.interrupted[call.reason] ?? ENGLISH.interruptedBy(plainLine(call.reason));
    case "undone":
      return ENGLISH.undone;
    default:
      return "";
  }
}

/** "You allowed this at 14:02"; what became of an approval without an answer; empty while open. */
export function approvalReceipt(row: ApprovalRow, people: People, moment: Moment): string {
  const { answer } = row;
  if (answer === null) return ENGLISH.closed[row.closed];
  const [by, at] = [who(answer.by, people), time(answer.at, moment.now, moment.zone)];
  if (answer.verdict === "deny") {
    const why = answer.reason === "" ? "" : `: “${plainLine(answer.reason, 400)}”`;
    return `${ENGLISH.deniedAt(by, at)}${why}`;
  }
  return answer.scope === "task" ? ENGLISH.allowedForTask(by, at) : ENGLISH.allowedAt(by, at);
}

export function questionReceipt(row: QuestionRow, people: People, moment: Moment): string {
  const { answer } = row;
  if (answer === null) return ENGLISH.closed[row.closed];
  return ENGLISH.answeredAt(who(answer.by, people), time(answer.at, moment.now, moment.zone));
}

/** "Machine lost at #287. One command was in flight, nothing else; a new machine has the task at #291, 9 s." */
export function machineLine(row: MachineRow, moment: Moment): string {
  if (row.loss !== null) return lossLine(row);
  if (row.state === "refused" && row.refusal !== null) {
    return ENGLISH.machineRefused(time(row.refusal.retryAt, moment.now, moment.zone));
  }
  if (row.takenUp > 0 && row.left !== null) {
    return `${ENGLISH.moved} · ${duration(row.seconds)}`;
  }
  switch (row.state) {
    case "ready":
      return ENGLISH.machineReady(duration(row.seconds));
    case "preparing":
      return ENGLISH.machinePreparing;
    case "booting":
      return ENGLISH.machineBooting;
    default:
      return ENGLISH.machineWanted;
  }
}

function lossLine(row: MachineRow): string {
  const loss = row.loss!;
  const calls = loss.inFlight.length;
  const flight =
    calls === 0
      ? ENGLISH.nothingInFlight
      : calls === 1
        ? ENGLISH.oneCommandInFlight
        : ENGLISH.commandsInFlight(calls);
  const next =
    row.takenUp > 0
      ? ENGLISH.newMachine(row.takenUp, duration(row.seconds))
      : ENGLISH.newMachineComing;
  const undone = row.undone.length;
  const lost = undone > 0 ? ` ${ENGLISH.workUndone(ENGLISH.count(undone, "call"))}` : "";
  return `${ENGLISH.machineLost(loss.version)} ${flight}; ${next}.${lost}`;
}

export function budgetLine(row: BudgetRow, people: People, moment: Moment): string {
  const stop = budgetStop(row);
  if (row.raised === null) return stop;
  const at = time(row.raised.at, moment.now, moment.zone);
  return `${stop}. ${ENGLISH.raised(who(row.raised.by, people), money(row.raised.costMicrousd), at)}`;
}

function budgetStop(row: BudgetRow): string {
  if (row.scope === "turns") return ENGLISH.turnsStop(row.spent, row.limit);
  if (row.scope === "wall") return ENGLISH.timeStop(duration(row.spent), duration(row.limit));
  return ENGLISH.budgetStop(money(row.spent), limit(row.limit));
}

/** "Denied: api.example.com:443 (3 times)", and what became of it. */
export function deniedLine(row: DeniedRow, people: People, moment: Moment): string {
  const host = row.host === "" ? ENGLISH.otherHosts : hostAndPort(row);
  const denied = ENGLISH.denied(host, row.count);
  if (row.reason === "address") return `${denied}, ${ENGLISH.deniedAddress}`;
  if (row.allowed === null) return denied;
  const at = time(row.allowed.at, moment.now, moment.zone);
  return `${denied}. ${ENGLISH.allowedHost(who(row.allowed.by, people), at)}`;
}

export function hostAndPort({ host, port }: { host: string; port: number }): string {
  const name = plainLine(host, 260);
  return `${name.includes(":") ? `[${name}]` : name}:${port}`;
}

export function providerLine(row: ProviderRow, moment: Moment): string {
  const failed = ENGLISH.providerFailed(plainLine(row.failure, 60), row.times);
  if (row.resumed > 0) return `${failed} ${ENGLISH.wentOn}`;
  if (row.retryAt === "") return failed;
  return `${failed}; ${ENGLISH.retriesAt(time(row.retryAt, moment.now, moment.zone))}`;
}

/** "The conversation grew long: Claude goes on from a summary of it (412,000 → 9,000 tokens)". */
export function summaryLine(row: SummaryRow): string {
  const [before, after] = [row.tokensBefore, row.tokensAfter].map(ENGLISH.tokens);
  const agent = ENGLISH.agent;
  const line = row.writer === "model" ? ENGLISH.summarized : ENGLISH.summarizedByWorker;
  return line(agent, before!, after!);
}

export function planLine(row: PlanRow): string {
  const done = row.items.filter((item) => item.state === "done").length;
  return ENGLISH.planDone(done, row.items.length);
}

/** The headline of an end. What to do about a failure is the row's `remedy`. */
export function endLine(row: EndRow, people: People): string {
  switch (row.ending) {
    case "finished":
      return ENGLISH.finished;
    case "failed":
      return ENGLISH.failed;
    case "abandoned":
      return ENGLISH.gaveUp;
    case "erased":
      return ENGLISH.erased;
    case "cancelled":
      return `${ENGLISH.cancelledBy(who(row.by, people))}${row.reason ? `: ${plainLine(row.reason, 400)}` : ""}`;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
