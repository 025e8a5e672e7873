import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type KnownTask,
  precedentsLine,
  precedentsOf,
} from "../../../src/model/asks/precedents.ts";
import { type ApprovalRow, storyOf } from "../../../src/model/story/rows.ts";
import { BEGAN, history, ZONE } from "../histories.ts";

function approvals(name: "approval_allowed" | "approval_denied"): ApprovalRow[] {
  return storyOf(history(name)).rows.filter((row) => row.kind === "approval");
}

function known(task: string, rows: readonly ApprovalRow[], repository = "u"): KnownTask {
  return { task, repository, approvals: rows };
}

const [allowed] = approvals("approval_allowed");
const [denied] = approvals("approval_denied");
const ask: ApprovalRow = {
  ...allowed!,
  from: 90,
  at: "2026-11-29T10:00:00Z",
  answer: null,
  actedOn: 0,
};
const HERE = { task: "now", repository: "u" };
const NOW = { now: BEGAN, zone: ZONE };

describe("you have been asked this before", () => {
  it("counts the same kind of ask in the same repository, and what was answered", () => {
    const found = precedentsOf(ask, HERE, [
      known("a", [allowed!]),
      known("b", [denied!]),
      known("elsewhere", [allowed!], "another"),
      known("now", [ask]),
    ]);
    assert.deepEqual([found.asked, found.allowed, found.denied], [2, 1, 1]);
    assert.ok(found.data.every((each) => each.is_same_call));
  });

  it("does not count another kind of risk", () => {
    const other = { ...allowed!, covers: "pushing" };
    assert.equal(precedentsOf(ask, HERE, [known("a", [other])]).asked, 0);
  });

  it("says it in a line, with who answered last and when", () => {
    const me = allowed!.answer!.by.slice("person:".length);
    const found = precedentsOf(ask, HERE, [known("a", [allowed!])]);
    assert.match(
      precedentsLine(found, { me }, NOW),
      /^Once in this repository, allowed 1, last \d\d:\d\d by you$/,
    );
    const none = precedentsOf(ask, HERE, []);
    assert.equal(precedentsLine(none, { me }, NOW), "");
  });

  it("says the same of what the gateway counted", () => {
    const found = precedentsOf(ask, HERE, [known("a", [allowed!])]);
    const sent = { ...found, asked: 100, allowed: 97, denied: 3, is_capped: true };
    assert.match(
      precedentsLine(sent, { me: "" }, NOW),
      /^More than 100 times in this repository, allowed 97, denied 3, last /,
    );
  });
});
