// The store in memory does what every store does.
import { test } from "node:test";
import { memoryStore } from "../../src/store/memory.ts";
import { STORE_TESTS } from "./contract.ts";

for (const { name, run } of STORE_TESTS) test(name, () => run(memoryStore()));
