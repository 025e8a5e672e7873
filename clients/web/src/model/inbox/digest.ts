// While you were away: what a task is now less what it was then, in facts that link to their events.
import type { TaskState } from "../generated/api.gen.ts";
import type { StoredEvent } from "../generated/events.gen.ts";
import { type TestRun, testRuns } from "../story/test_runs.ts";
import { ENGLISH } from "../words/english.ts";
import { duration, milliseconds, money } from "../words/numbers.ts";
import { isMe, type People } from "../words/people.ts";

export interface DigestFact {
  readonly kind:
    | "commits"
    | "files"
    | "tests"
    | "cost"
    | "answers"
    | "machines"
    | "pull_request"
    | "end";
  readonly words: string;
  /** The event it is about; 0: none in particular. */
  readonly version: number;
}

export interface Digest {
  /** "While you were away 47 min". */
  readonly title: string;
  readonly facts: readonly DigestFact[];
}

export interface DigestInput {
  /** The state at the last version seen. */
  readonly seen: TaskState;
  readonly head: TaskState;
  /** Events of this task, older ones too: what tests said before stands there. */
  readonly events: readonly StoredEvent[];
  readonly people: People;
  /** When the person left, in Unix milliseconds; else the time of the last event seen. */
  readonly leftAt?: number;
  readonly now: number;
}

/** Return what happened since `seen`; null when nothing did. */
export function digestOf(input: DigestInput): Digest | null {
  const { seen, head, events, people, now } = input;
  if (head.version <= seen.version) return null;
  const news = events.filter((e) => e.version > seen.version && e.version <= head.version);
  const left = input.leftAt ?? milliseconds(seen.updated_at);
  const facts = [
    ending(seen, head),
    pullRequest(seen, head, news),
    commits(news),
    files(seen, head),
    tests(events, seen.version, head.version),
    cost(seen, head),
    answers(news, people),
    machines(news),
  ].filter((fact): fact is DigestFact => fact !== null);
  return { title: ENGLISH.away(duration(Math.max(0, now - left) / 1000)), facts };
}

/** The whole in one line: "While you were away 47 min: 2 commits, 14 files, $0.42". */
export function digestLine(digest: Digest): string {
  const facts = digest.facts.map((fact) => fact.words).join(", ");
  return facts === "" ? digest.title : `${digest.title}: ${facts}`;
}

function ending(seen: TaskState, head: TaskState): DigestFact | null {
  if (head.phase === seen.phase) return null;
  const words = {
    finished: ENGLISH.finished,
    failed: ENGLISH.failed,
    cancelled: ENGLISH.cancelled,
  };
  const phase = head.phase as keyof typeof words;
  return phase in words ? { kind: "end", words: words[phase], version: head.version } : null;
}

function pullRequest(
  seen: TaskState,
  head: TaskState,
  news: readonly StoredEvent[],
): DigestFact | null {
  if (!head.pull_request || head.pull_request.number === seen.pull_request?.number) return null;
  const opened = news.findLast((event) => event.type === "pull_request.opened");
  const words = ENGLISH.pullRequest(head.pull_request.number);
  return { kind: "pull_request", words, version: opened?.version ?? 0 };
}

function commits(news: readonly StoredEvent[]): DigestFact | null {
  const pushed = news.filter((event) => event.type === "branch.pushed");
  const different = new Set(pushed.map((event) => event.commit));
  if (different.size === 0) return null;
  const version = pushed.at(-1)!.version;
  return { kind: "commits", words: ENGLISH.count(different.size, "commit"), version };
}

function files(seen: TaskState, head: TaskState): DigestFact | null {
  const isSame =
    seen.files_changed === head.files_changed &&
    seen.insertions === head.insertions &&
    seen.deletions === head.deletions;
  if (isSame) return null;
  const lines = `+${head.insertions} \u2212${head.deletions}`;
  const words = `${ENGLISH.count(head.files_changed, "file")} ${lines}`;
  return { kind: "files", words, version: 0 };
}

/** Tests are compared only where the same command ran before and since, whole, and said a number. */
function tests(events: readonly StoredEvent[], seen: number, head: number): DigestFact | null {
  const runs = testRuns(events.filter((event) => event.version <= head));
  const now = runs.findLast((run) => run.version > seen);
  if (now === undefined) return null;
  const before = runs.findLast((run) => run.version <= seen && run.command === now.command);
  return { kind: "tests", words: testWords(before, now), version: now.version };
}

function testWords(before: TestRun | undefined, now: TestRun): string {
  if (now.failed > 0) return ENGLISH.testsFail(now.failed, now.passed + now.failed);
  if (before === undefined || before.passed === now.passed) return ENGLISH.testsPass(now.passed);
  return ENGLISH.testsGrew(before.passed, now.passed);
}

function cost(seen: TaskState, head: TaskState): DigestFact | null {
  const spent = head.cost_microusd - seen.cost_microusd;
  return spent > 0 ? { kind: "cost", words: money(spent), version: 0 } : null;
}

function answers(news: readonly StoredEvent[], people: People): DigestFact | null {
  const others = news.filter(
    (e) =>
      (e.type === "approval.answered" || e.type === "question.answered") && !isMe(e.by, people),
  );
  if (others.length === 0) return null;
  const approvals = others.filter((event) => event.type === "approval.answered").length;
  const noun = approvals === others.length ? "approval" : "answer";
  const words = ENGLISH.byAnother(ENGLISH.count(others.length, noun));
  return { kind: "answers", words, version: others.at(-1)!.version };
}

function machines(news: readonly StoredEvent[]): DigestFact | null {
  const lost = news.filter((event) => event.type === "machine.lost");
  if (lost.length === 0) return null;
  const words = ENGLISH.machinesLost(lost.length);
  return { kind: "machines", words, version: lost.at(-1)!.version };
}
