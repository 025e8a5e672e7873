import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  askLine,
  badgeCount,
  type Line,
  lineWords,
  repositoryName,
  sectionsOf,
} from "../../../src/model/inbox/inbox.ts";
import { BEGAN, ZONE } from "../histories.ts";

function line(task: string, more: Partial<Line> = {}): Line {
  return {
    t: "line",
    task,
    version: 10,
    phase: "working",
    title: task,
    waiting: "",
    cost_microusd: 0,
    updated_at: at(0),
    ...more,
  };
}

function at(minutes: number): string {
  return new Date(BEGAN + minutes * 60_000).toISOString();
}

const NOW = { now: BEGAN + 60 * 60_000, zone: ZONE };

describe("the list", () => {
  const lines: Line[] = [
    line("works"),
    line("asked-late", { phase: "waiting", waiting: "approval", since: at(30) }),
    line("asked-first", { phase: "waiting", waiting: "question", since: at(10) }),
    line("ended-new", { phase: "finished" }),
    line("ended-seen", { phase: "failed" }),
    line("provider", { phase: "waiting", waiting: "provider" }),
    line("put-away", { phase: "finished", is_archived: true }),
  ];
  const sections = sectionsOf(lines, new Map([["ended-seen", 10]]));
  const names = (items: readonly { line: Line }[]) => items.map((item) => item.line.task);

  it("puts what waits for the person first, the one that waits longest at the top", () => {
    assert.deepEqual(names(sections.waiting), ["asked-first", "asked-late"]);
  });

  it("counts a task that waits for the provider as work, for the person can do nothing", () => {
    assert.deepEqual(names(sections.working).sort(), ["provider", "works"]);
  });

  it("shows an ended task as new until it was seen at its version", () => {
    assert.deepEqual(names(sections.fresh), ["ended-new"]);
    assert.ok(names(sections.earlier).includes("ended-seen"));
    assert.equal(sections.fresh[0]!.unread, 10);
  });

  it("never calls an archived task new", () => {
    assert.ok(names(sections.earlier).includes("put-away"));
  });

  it("does not move a working line when something happens in it", () => {
    const before = [
      line("a", { submitted_at: at(1), updated_at: at(5) }),
      line("b", { submitted_at: at(2), updated_at: at(3) }),
    ];
    const after = [before[0]!, { ...before[1]!, version: 11, updated_at: at(9) }];
    const order = (some: Line[]) => names(sectionsOf(some, new Map()).working);
    assert.deepEqual(order(before), order(after));
  });

  it("counts on the badge what waits and what is new", () => {
    assert.equal(badgeCount(sections), 3);
  });
});

describe("a line", () => {
  it("says what is asked and since when", () => {
    const asks = { kind: "approval", title: "$ git push" } as const;
    const words = lineWords(
      line("t", { phase: "waiting", waiting: "approval", asks, since: at(48) }),
      NOW,
    );
    assert.equal(words, "Allow: $ git push · 12 min");
  });

  it("says so even when the gateway is older and does not send what is asked", () => {
    assert.equal(askLine(line("t", { phase: "waiting", waiting: "question" })), "1 question");
  });

  it("shows hidden characters of what is asked", () => {
    const asks = { kind: "approval", title: "$ echo \u202egnp.exe" } as const;
    const words = askLine(line("t", { phase: "waiting", waiting: "approval", asks }));
    assert.equal(words, "Allow: $ echo \\u202egnp.exe");
  });

  it("says how work stands", () => {
    assert.equal(lineWords(line("t", { since: at(57) }), NOW), "Claude is working · 3 min");
    assert.equal(
      lineWords(line("t", { phase: "finished", pull_request: { number: 7, url: "u" } }), NOW),
      "Finished: pull request #7 · 1 hour ago",
    );
    assert.equal(
      lineWords(line("t", { phase: "waiting", waiting: "provider", retry_at: at(65) }), NOW),
      "The model provider does not answer; goes on at 15:05 · 1 h",
    );
  });

  it("names the repository by its last two parts", () => {
    assert.equal(repositoryName("https://github.com/ada/engine.git"), "ada/engine");
    assert.equal(repositoryName("git@github.com:ada/engine"), "ada/engine");
  });
});
