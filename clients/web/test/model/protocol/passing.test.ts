// Pieces of a block at their offsets, in any order and with holes.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addPiece,
  missingCharacters,
  passingText,
  type Runs,
} from "../../../src/model/protocol/passing.ts";

function pieces(...given: [number, string][]): Runs {
  return given.reduce<Runs>((runs, [offset, text]) => addPiece(runs, { offset, text }), []);
}

test("pieces that follow each other become one text", () => {
  const runs = pieces([0, "Hello"], [5, ", "], [7, "world"]);
  assert.equal(passingText(runs), "Hello, world");
  assert.equal(missingCharacters(runs), 0);
});

test("offsets count characters, not UTF-16 units", () => {
  assert.equal(passingText(pieces([0, "🙂🙂"], [2, "!"])), "🙂🙂!");
});

test("a piece that begins in what is there is written from there", () => {
  assert.equal(passingText(pieces([0, "🙂bcdef"], [2, "XY"])), "🙂bXY");
});

test("a hole is shown and counted", () => {
  const runs = pieces([0, "ab"], [5, "fg"]);
  assert.equal(passingText(runs), "ab…fg");
  assert.equal(missingCharacters(runs), 3);
});

test("a block whose beginning was missed begins with a hole", () => {
  const runs = pieces([3, "lo"]);
  assert.equal(passingText(runs), "…lo");
  assert.equal(missingCharacters(runs), 3);
});

test("a piece that begins in a hole leaves the rest of the hole", () => {
  const runs = pieces([0, "ab"], [6, "gh"], [4, "ef"]);
  assert.equal(passingText(runs), "ab…ef");
  assert.equal(missingCharacters(runs), 2);
});
