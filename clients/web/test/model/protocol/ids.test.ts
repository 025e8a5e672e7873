// Ids of commands.
import assert from "node:assert/strict";
import { test } from "node:test";
import { uuid7 } from "../../../src/model/protocol/ids.ts";

test("the example of RFC 9562 comes out", () => {
  const entropy = Uint8Array.from([0xc, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
  assert.equal(uuid7(0x017f22e279b0, entropy), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

test("ids of later milliseconds come later", () => {
  const entropy = new Uint8Array(10).fill(255);
  assert.ok(uuid7(1, entropy) < uuid7(2, new Uint8Array(10)));
});
