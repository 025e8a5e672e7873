// Every phrase that people read, in English. Another language is another table of this shape.
import type { ShellKind } from "../asks/shell_risks.ts";
import type { ClosedBy } from "../story/rows.ts";

export const ENGLISH = {
  locale: "en",
  you: "You",
  someone: "Another member",
  aPerson: "A person",
  aKey: "An API key",
  operator: "The operator",
  agent: "Claude",
  justNow: "just now",
  never: "not yet",
  of: (part: string, whole: string) => `${part} of ${whole}`,
  and: (parts: readonly string[]) =>
    parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`,
  count: (number: number, one: string, many = `${one}s`) =>
    `${String(number).replace(/\B(?=(\d{3})+$)/g, ",")} ${number === 1 ? one : many}`,

  // The sentence of truth
  queued: "Waits for a machine",
  starting: "Machine is starting",
  provider: "The model provider does not answer",
  providerUntil: (time: string) => `The model provider does not answer; goes on at ${time}`,
  thinking: (agent: string) => `${agent} is thinking`,
  working: (agent: string) => `${agent} is working`,
  doing: (agent: string, what: string) => `${agent} is ${what}`,
  doingCalled: (agent: string, title: string) => `${agent}: ${title}`,
  waitsForYou: (what: string) => `Waits for you: ${what}`,
  anApproval: "1 approval",
  aQuestion: "1 question",
  anInstruction: "your next instruction",
  budgetSpent: "the budget is spent",
  turnsSpent: "the limit of turns is reached",
  timeSpent: "the limit of working time is reached",
  sharedSpent: (owner: string, until: string) =>
    until === "" ? `${owner} budget is spent` : `${owner} budget is spent until ${until}`,
  yourBudget: "your",
  accountBudget: "the account's",
  finished: "Finished",
  failed: "Failed",
  cancelled: "Cancelled",
  archived: "Archived",
  pullRequest: (number: number) => `pull request #${number}`,
  branchPushed: "branch pushed",
  noChanges: "nothing changed",

  // Freshness
  complete: (version: number) => `complete through #${version}`,
  catchingUp: (version: number, head: number) => `#${version} of #${head}`,
  offlineSince: (time: string) => `offline since ${time}`,
  connecting: "connecting",
  stopped: "not connected",

  // The inbox
  sections: {
    waiting: "Waits for you",
    working: "Working",
    fresh: "New for you",
    earlier: "Earlier",
  },
  allow: (title: string) => `Allow: ${title}`,
  question: (title: string) => `Question: ${title}`,
  askedBudget: "Budget spent",
  askedInstruction: "Stopped; goes on with your instruction",

  // Receipts
  keeping: "Not kept on this phone yet",
  kept: "Kept on this phone; it goes out when you are back online.",
  keptAt: (time: string) => `Kept on this phone (${time})`,
  goesOut: "Goes out when you are back online",
  sent: "Sent",
  sentAgain: (detail: string) => `Sent; tried again: ${detail}`,
  onItsWay: "On its way into the log",
  logged: (version: number, time: string) =>
    time === "" ? `In the log at #${version}` : `In the log at #${version} (${time})`,
  acted: (version: number, acted: number) => `In the log at #${version}; acted on at #${acted}`,
  goesOn: (agent: string) => `${agent} goes on`,
  wentOnAt: (agent: string, version: number) => `${agent} went on at #${version}`,
  covered: (calls: string) => `This approval covered ${calls}`,
  onAnotherDevice: "on another device",
  by: (who: string) => `by ${who}`,
  answeredElsewhere: (by: string, when: string, text: string) =>
    `Answered ${by} ${when}: “${text}”`,
  deniedElsewhere: (by: string, when: string) => `Denied ${by} ${when}`,
  allowedElsewhere: (by: string, when: string, isForTask: boolean) =>
    `Allowed ${isForTask ? "for the task " : ""}${by} ${when}`,
  nothingDone: "nothing was done",
  expired: (time: string) =>
    `This was open until ${time}. Without an answer it counts as denied; nothing was done.`,

  // Asked before
  youLower: "you",
  times: (n: number) => (n === 1 ? "Once" : `${n} times`),
  moreThanTimes: (n: number) => `More than ${n} times`,
  inThisRepository: (times: string) => `${times} in this repository`,
  allowedTimes: (n: number) => `allowed ${n}`,
  deniedTimes: (n: number) => `denied ${n}`,
  lastBy: (time: string, who: string) => `last ${time} by ${who}`,

  // While you were away
  away: (span: string) => `While you were away ${span}`,
  testsPass: (passed: number) => `${passed} tests pass`,
  testsGrew: (before: number, now: number) => `tests ${before} → ${now}`,
  testsFail: (failed: number, all: number) => `${failed} of ${all} tests fail`,
  byAnother: (what: string) => `${what} by another member`,
  machinesLost: (n: number) => (n === 1 ? "1 machine lost" : `${n} machines lost`),

  // The night's sum
  sinceEvening: "Since last evening",
  nightWaiting: (n: number) => (n === 1 ? "1 waits for you" : `${n} wait for you`),
  nightFailed: (n: number) => `${n} failed`,
  nightFinished: (n: number) => `${n} finished`,
  nightCancelled: (n: number) => `${n} cancelled`,
  nightWorking: (n: number) => `${n} still working`,
  nightOpened: (n: number) => (n === 1 ? "1 pull request" : `${n} pull requests`),

  // Commands
  shellKinds: [
    ["delete", "deletion", "deletions"],
    ["discard", "change thrown away", "changes thrown away"],
    ["push", "push", "pushes"],
    ["force", "force option", "force options"],
    ["piped_to_shell", "download run as a program", "downloads run as programs"],
    ["root", "command as root", "commands as root"],
    ["network", "network access", "network accesses"],
    ["install", "installation", "installations"],
    ["redirect", "file written", "files written"],
    ["pipe", "pipe", "pipes"],
    ["substitution", "command inside another", "commands inside others"],
  ] as ReadonlyArray<readonly [ShellKind, string, string]>,
  /** As services/worker/agent/approvals/risks.py names them in an event. */
  workerRisks: {
    delete: "deleting files",
    discard: "throwing work away",
    network: "reaching the network",
    install: "installing packages",
    push: "pushing",
    root: "acting as root",
  },

  // Rows
  read: (n: string) => `read ${n}`,
  searched: (n: string) => `searched ${n}`,
  edited: (n: string) => `edited ${n}`,
  ran: (n: string) => `ran ${n}`,
  used: (n: string) => `used ${n}`,
  failures: (n: number) => `${n} failed`,
  worked: "Worked",
  allowedAt: (who: string, time: string) => `${who} allowed this at ${time}`,
  allowedForTask: (who: string, time: string) => `${who} allowed this for the task at ${time}`,
  deniedAt: (who: string, time: string) => `${who} denied this at ${time}`,
  answeredAt: (who: string, time: string) => `${who} answered at ${time}`,
  closed: {
    "": "",
    ended: "The task ended before this was answered",
    instructed: "An instruction took the place of an answer",
    stopped: "The work was stopped before this was answered",
    machine_lost: "The machine was lost before this was answered; it is asked again if need be",
    asked_again: "Asked again below",
    call_ended: "Closed without an answer; nothing was done",
  } satisfies Readonly<Record<ClosedBy, string>>,
  setupWhy: (why: string) => `Which and why: ${why}`,
  setupPutBack: (paths: string) =>
    `Set-up changed files of the repository, which were put back: ${paths}`,
  machineReady: (seconds: string) => `Machine ready in ${seconds}`,
  machineWanted: "Machine requested",
  machineBooting: "Machine is starting",
  machinePreparing: "Workspace is being prepared",
  machineRefused: (time: string) => `No machine yet; asked again at ${time}`,
  machineLost: (version: number) => `Machine lost at #${version}.`,
  oneCommandInFlight: "One command was in flight, nothing else",
  commandsInFlight: (n: number) => `${n} commands were in flight, nothing else`,
  nothingInFlight: "Nothing was in flight",
  newMachine: (version: number, seconds: string) =>
    `a new machine has the task at #${version}, ${seconds}`,
  newMachineComing: "a new machine is on its way",
  workUndone: (calls: string) => `The work of ${calls} was not kept; the agent knows.`,
  moved: "The task moved to a new machine",
  budgetStop: (spent: string, limit: string) => `Budget spent: ${spent} of ${limit}`,
  turnsStop: (spent: number, limit: number) => `Turns used: ${spent} of ${limit}`,
  timeStop: (spent: string, limit: string) => `Working time used: ${spent} of ${limit}`,
  raised: (who: string, money: string, time: string) => `${who} added ${money} at ${time}`,
  tokens: (number: number) => new Intl.NumberFormat("en").format(roundTokens(number)),
  summarized: (agent: string, before: string, after: string) =>
    `The conversation grew long: ${agent} goes on from a summary of it (${before} → ${after} tokens)`,
  summarizedByWorker: (agent: string, before: string, after: string) =>
    `The conversation grew too long to be read: ${agent} goes on from an account of its work ` +
    `(${before} → ${after} tokens)`,
  theSummary: "Read the summary",
  denied: (host: string, times: number) =>
    `Denied: ${host} (${times === 1 ? "once" : `${times} times`})`,
  deniedAddress: "an address that no task may reach",
  otherHosts: "many other hosts",
  allowedHost: (who: string, time: string) => `${who} allowed it for this task at ${time}`,
  allowedHostBy: (who: string, host: string) => `${who} allowed connections to ${host}`,
  allowHost: "Allow for this task",
  stoppedBy: (who: string) => `${who} stopped what ran`,
  archivedBy: (who: string) => `${who} archived the task`,
  cancelledBy: (who: string) => `${who} cancelled the task`,
  gaveUp: "The task could not be carried on",
  erased: "This task was erased",
  providerFailed: (kind: string, times: number) =>
    times === 1
      ? `The model call failed (${kind})`
      : `The model call failed ${times} times (${kind})`,
  retriesAt: (time: string) => `tried again at ${time}`,
  wentOn: "and went on",
  planDone: (done: number, all: number) => `Plan: ${done} of ${all} done`,
  pushed: (branch: string) => `Pushed ${branch}`,
  opened: (number: number, title: string) => `Pull request #${number}: ${title}`,
  interrupted: {
    machine_lost: "Aborted: its machine was lost",
    drained: "Aborted: its machine was shut down",
    deadline: "Aborted: its machine reached its time limit",
    gateway_unreachable: "Aborted: its machine lost the connection to the gateway",
    object_store_unreachable: "Aborted: its machine lost the object store",
    gateway_refused: "Aborted: the gateway refused its machine",
    interrupted: "Stopped by a person",
    cancelled: "Dropped: the task was cancelled",
    abandoned: "Dropped: the task was abandoned",
    failed: "Dropped: the task had already ended",
    finished: "Dropped: the task had already ended",
    not_run: "Not run: an earlier call was aborted, or its result was lost",
  } as Readonly<Record<string, string>>,
  interruptedBy: (reason: string) => `Aborted: ${reason}`,
  undone: "Its work was lost with its machine",
  exitCode: (code: number) => `exit code ${code}`,
} as const;

/** A title of a tool, in the form that follows "is": "Run the tests" is "running the tests". */
export const DOING: ReadonlyArray<readonly [RegExp, string]> = [
  [/^Run the tests$/, "running the tests"],
  [/^Look at what changed$/, "looking at what changed"],
  [/^Read the project's history$/, "reading the project's history"],
  [/^Read (.+)$/s, "reading $1"],
  [/^Edit (.+?)(?: [+−-]\d+)*$/s, "editing $1"],
  [/^Write (.+?)(?: \+\d+)?$/s, "writing $1"],
  [/^Search for (.+)$/s, "searching for $1"],
  [/^Find (.+)$/s, "looking for $1"],
  [/^Plan: .*$/s, "updating the plan"],
  [/^Submit: .*$/s, "handing in the work"],
  [/^Ask: .*$/s, "asking you"],
  [/^\$ (.+)$/s, "running $1"],
];

/** Two digits are enough: the second number is an estimate. */
function roundTokens(number: number): number {
  return number < 100 ? number : Number(number.toPrecision(2));
}
