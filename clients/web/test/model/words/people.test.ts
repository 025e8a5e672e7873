// Who did something, in words: for a member, and for somebody without an account.
import assert from "node:assert/strict";
import { test } from "node:test";
import { who } from "../../../src/model/words/people.ts";

const ADA = { me: "per_ada", names: new Map([["per_bea", "Bea"]]) };

test("a member reads names, and their own deeds as theirs", () => {
  const read = ["person:per_ada", "person:per_bea", "person:per_x"].map((by) => who(by, ADA));
  assert.deepEqual(read, ["You", "Bea", "Another member"]);
});

test("a stranger is no member: a person did it, whoever that was", () => {
  assert.equal(who("person:shared", { me: "", isStranger: true }), "A person");
});
