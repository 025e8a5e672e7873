import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { evolve } from "../../../src/model/fold/fold.ts";
import type { TaskState } from "../../../src/model/generated/api.gen.ts";
import type { Fact, StoredEvent } from "../../../src/model/generated/events.gen.ts";
import { digestLine, digestOf } from "../../../src/model/inbox/digest.ts";
import { testRuns } from "../../../src/model/story/test_runs.ts";
import { history, recorded } from "../histories.ts";

function stateAt(events: readonly StoredEvent[], version: number): TaskState {
  let state: TaskState | null = null;
  for (const event of events.slice(0, version)) state = evolve(state, event, "acc");
  assert.ok(state !== null);
  return state;
}

function digest(events: readonly StoredEvent[], seen: number, me = "") {
  const now = Date.parse(events.at(-1)!.at);
  return digestOf({
    seen: stateAt(events, seen),
    head: stateAt(events, events.length),
    events,
    people: { me },
    leftAt: now - 47 * 60_000,
    now,
  });
}

function facts(events: readonly StoredEvent[], seen: number, me = ""): Record<string, string> {
  const found = digest(events, seen, me)!.facts;
  return Object.fromEntries(found.map((fact) => [fact.kind, fact.words]));
}

describe("while you were away", () => {
  const events = history("pull_request");
  const me = events[0]!.by.slice("person:".length);

  it("sums up what came of a task since it was last seen", () => {
    const found = facts(events, 6, me);
    assert.equal(found.end, "Finished");
    assert.equal(found.commits, "1 commit");
    assert.match(found.pull_request!, /^pull request #\d+$/);
    assert.match(found.files!, /^\d+ files? \+\d+ −\d+$/);
    assert.match(found.cost!, /^(<\$0\.01|\$\d+\.\d\d)$/);
    assert.equal(found.answers, undefined);
  });

  it("says nothing of what had been seen, and nothing at all when all had", () => {
    assert.equal(digest(events, events.length), null);
    const last = facts(events, events.length - 2, me);
    assert.equal(last.commits, undefined);
    assert.equal(last.files, undefined);
  });

  it("is one line with how long it was", () => {
    assert.match(digestLine(digest(events, 6, me)!), /^While you were away 47 min: Finished, /);
  });

  it("compares tests where the same command ran before and since", () => {
    const runs = testRuns(events);
    const failing = runs.find((run) => run.failed > 0)!;
    assert.ok(failing.passed > 0);
    const passing = runs.at(-1)!;
    assert.equal(passing.failed, 0);
    assert.equal(
      facts(events, failing.version).tests,
      passing.command === failing.command
        ? `tests ${failing.passed} → ${passing.passed}`
        : `${passing.passed} tests pass`,
    );
  });

  it("claims no growth when another command ran before", () => {
    const run = (call: string, command: string, output: string): Fact[] => [
      { type: "tool.started", call, tool: "bash", title: "t", command },
      { type: "tool.completed", call, output },
    ];
    const made = recorded([
      { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
      ...run("a", "pytest tests/one.py", "==== 12 passed in 0.10s ====\n"),
      ...run("b", "pytest", "==== 214 passed in 2.10s ====\n"),
      ...run("c", "pytest", "2 failed, 212 passed in 2.10s\n"),
    ]);
    assert.equal(facts(made.slice(0, 5), 3).tests, "214 tests pass");
    assert.equal(facts(made, 5).tests, "2 of 214 tests fail");
  });

  it("says that another member answered, and links to it", () => {
    const allowed = history("approval_allowed");
    const answered = allowed.find((event) => event.type === "approval.answered")!;
    const found = digest(allowed, 5, "per_somebody_else")!.facts;
    const fact = found.find((each) => each.kind === "answers")!;
    assert.deepEqual(
      [fact.words, fact.version],
      ["1 approval by another member", answered.version],
    );
    assert.equal(facts(allowed, 5, answered.by.slice("person:".length)).answers, undefined);
  });

  it("says that a machine was lost", () => {
    assert.equal(facts(history("machine_lost"), 5).machines, "1 machine lost");
  });
});

describe("what test programs print", () => {
  const run = (output: string) => {
    const events = recorded([
      { type: "tool.started", call: "c", tool: "bash", title: "t", command: "test" },
      { type: "tool.completed", call: "c", output },
    ]);
    const [found] = testRuns(events);
    return found && [found.passed, found.failed];
  };

  it("is read for the programs that say a number", () => {
    assert.deepEqual(run("12 passed, 1 skipped in 0.1s"), [12, 0]);
    assert.deepEqual(run("== 1 failed, 2 passed, 1 error in 0.1s =="), [2, 2]);
    assert.deepEqual(run("...\nRan 3 tests in 0.1s\n\nFAILED (failures=1, skipped=1)"), [1, 1]);
    assert.deepEqual(run("Tests:       1 failed, 9 passed, 10 total"), [9, 1]);
    assert.deepEqual(run("# pass 61\n# fail 0\n"), [61, 0]);
    assert.deepEqual(run("test result: ok. 5 passed; 0 failed; 1 ignored"), [5, 0]);
  });

  it("is not guessed where there is none", () => {
    assert.equal(run("everything passed"), undefined);
    assert.equal(run("ok  \tpkg\t0.1s"), undefined);
  });
});
