// Raises of a spent budget: three round amounts, and what a person may type.
import assert from "node:assert/strict";
import { test } from "node:test";
import { microusdOf, raises } from "../../../src/model/asks/raises.ts";

const DOLLAR = 1_000_000;

test("the raises of two dollars are one, two and five", () => {
  assert.deepEqual(
    raises(2 * DOLLAR).map((each) => each / DOLLAR),
    [1, 2, 5],
  );
});

test("raises are three different amounts that grow, for any limit", () => {
  for (let limit = 1; limit < 10 ** 12; limit = Math.ceil(limit * 1.7)) {
    const [first = 0, second = 0, third = 0] = raises(limit);
    assert.ok(0 < first && first < second && second < third, `${limit}: ${raises(limit)}`);
  }
});

test("a raise is a number that people say: 1, 2 or 5 and noughts", () => {
  for (const limit of [0, 300_000, 3 * DOLLAR, 7 * DOLLAR, 25 * DOLLAR, 130 * DOLLAR]) {
    for (const amount of raises(limit)) assert.match(String(amount), /^[125]0+$/);
  }
});

test("an amount may be typed with a dollar sign, a point or a comma", () => {
  assert.equal(microusdOf("3"), 3 * DOLLAR);
  assert.equal(microusdOf(" $3.50 "), 3_500_000);
  assert.equal(microusdOf("0,25"), 250_000);
});

test("what is no amount is none", () => {
  for (const typed of ["", "-1", "1e3", "three", "1.234", "1 000", "0x10"]) {
    assert.equal(microusdOf(typed), 0, typed);
  }
});
