// Runs of tests, read off what test programs print last. What does not say a number is no run.
import type { StoredEvent } from "../generated/events.gen.ts";

export interface TestRun {
  readonly version: number;
  readonly command: string;
  readonly passed: number;
  readonly failed: number;
}

type Reader = (output: string) => readonly [passed: number, failed: number] | null;

const number = (output: string, pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);

const pytest: Reader = (output) => {
  const line = output.match(/^=*\s*((?:\d+ \w+, )*\d+ \w+(?:, \d+ \w+)*) in [\d.]+s.*$/m)?.[1];
  if (line === undefined || !/passed|failed|error/.test(line)) return null;
  return [
    number(line, /(\d+) passed/),
    number(line, /(\d+) failed/) + number(line, /(\d+) errors?/),
  ];
};

const unittest: Reader = (output) => {
  const ran = /^Ran (\d+) tests? in [\d.]+s\n\n(OK|FAILED)(?: \((.*)\))?/m.exec(output);
  if (ran === null) return null;
  const [, all, , rest = ""] = ran;
  const failed = number(rest, /failures=(\d+)/) + number(rest, /errors=(\d+)/);
  return [Number(all) - failed - number(rest, /skipped=(\d+)/), failed];
};

const jest: Reader = (output) => {
  const line = output.match(/^\s*Tests:?\s+(.*(?:passed|failed).*)$/m)?.[1];
  if (line === undefined) return null;
  return [number(line, /(\d+) passed/), number(line, /(\d+) failed/)];
};

const nodeTest: Reader = (output) => {
  const pass = /^[#ℹ] pass (\d+)$/m.exec(output);
  const fail = /^[#ℹ] fail (\d+)$/m.exec(output);
  return pass === null || fail === null ? null : [Number(pass[1]), Number(fail[1])];
};

const cargo: Reader = (output) => {
  const all = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)];
  if (all.length === 0) return null;
  const sum = (place: number) => all.reduce((total, found) => total + Number(found[place]), 0);
  return [sum(1), sum(2)];
};

const READERS: readonly Reader[] = [pytest, unittest, jest, nodeTest, cargo];

/** Return the runs in a history, in order. */
export function testRuns(events: readonly StoredEvent[]): readonly TestRun[] {
  const commands = new Map<string, string>();
  const runs: TestRun[] = [];
  for (const event of events) {
    if (event.type === "tool.started" && event.tool === "bash") {
      commands.set(event.call, (event.command ?? "").trim());
    } else if (event.type === "tool.completed") {
      const command = commands.get(event.call);
      const found = command ? read(event.output) : null;
      if (command && found) runs.push({ version: event.version, command, ...found });
    }
  }
  return runs;
}

function read(output: string): { passed: number; failed: number } | null {
  const end = output.slice(-20_000);
  for (const reader of READERS) {
    const found = reader(end);
    if (found !== null) return { passed: found[0], failed: found[1] };
  }
  return null;
}
