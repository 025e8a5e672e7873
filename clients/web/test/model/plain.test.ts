import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { plain, plainLine } from "../../src/model/plain.ts";

type Ranges = readonly (readonly [number, number])[];

const table = JSON.parse(readFileSync(resolve("test", "plain_text.json"), "utf8")) as {
  hidden: Ranges;
  joined: Ranges;
  selected: Ranges;
};

/** The ranges of code points for which something holds. */
function rangesOf(holds: (character: string) => boolean): [number, number][] {
  const ranges: [number, number][] = [];
  for (let code = 0; code < 0x110000; code++) {
    if (!holds(String.fromCodePoint(code))) continue;
    const last = ranges.at(-1);
    if (last?.[1] === code - 1) last[1] = code;
    else ranges.push([code, code]);
  }
  return ranges;
}

describe("plain text", () => {
  it("makes exactly those code points visible that the Python code does", () => {
    assert.deepEqual(
      rangesOf((character) => plain(character) !== character),
      table.hidden,
    );
  });

  it("leaves joiners and variation selectors where the Python code does", () => {
    assert.deepEqual(
      rangesOf((character) => plain(`${character}\u200d${character}`).includes("\u200d")),
      table.joined,
    );
    assert.deepEqual(
      rangesOf((character) => plain(`${character}\ufe0f`).includes("\ufe0f")),
      table.selected,
    );
  });

  it("shows what would reverse or hide text, and keeps line ends, tabs and families", () => {
    assert.equal(plain("a\u202eb\u0007c\u{e0041}"), "a\\u202eb\\x07c\\U000e0041");
    assert.equal(plain("one\n\ttwo"), "one\n\ttwo");
    assert.equal(plain("👩‍👩‍👧 می‌خواهم ☎️"), "👩‍👩‍👧 می‌خواهم ☎️");
    assert.equal(plain("\ud800"), "\\ud800");
  });

  it("cuts a line at a character, never inside one", () => {
    assert.equal(plainLine("  one\n two  "), "one two");
    assert.equal(plainLine("😀😀😀", 2), "😀…");
    assert.equal(plainLine("x".repeat(1000), 10), "xxxxxxxxx…");
  });
});
