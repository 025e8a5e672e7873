// How much work a story is: what is read of its rows and calls is counted, since time tells nothing.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoredEvent } from "../../../src/model/generated/events.gen.ts";
import {
  addEvents,
  emptyStory,
  foldStory,
  type Row,
  type Story,
  storyInSlices,
  storyOf,
} from "../../../src/model/story/rows.ts";
import { longHistory } from "../histories.ts";

const EVENTS = 10_000;
const BATCH = 20;

/** A story whose rows count what is read of them. */
class CountedStory {
  reads = 0;
  story: Story = emptyStory();
  private readonly counting = new WeakSet<Row>();

  add(events: readonly StoredEvent[]): void {
    for (let start = 0; start < events.length; start += BATCH) {
      const made = addEvents(this.story, events.slice(start, start + BATCH));
      this.story = { ...made, rows: made.rows.map((row) => this.count(row)) };
    }
  }

  private count(row: Row): Row {
    if (this.counting.has(row)) return row;
    const counted = new Proxy(row, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        this.reads += Array.isArray(value) ? 1 + value.length : 1;
        return value;
      },
    });
    this.counting.add(counted);
    return counted;
  }
}

/** Return what is read for each event: of the second thousand, and of the last. */
function readsOfAnEvent(events: readonly StoredEvent[]): readonly [number, number] {
  const counted = new CountedStory();
  counted.add(events.slice(0, 1000));
  const before = counted.reads;
  counted.add(events.slice(1000, 2000));
  const early = (counted.reads - before) / 1000;
  counted.add(events.slice(2000, EVENTS - 1000));
  const middle = counted.reads;
  counted.add(events.slice(EVENTS - 1000));
  return [early, (counted.reads - middle) / 1000];
}

function withoutWords(events: readonly StoredEvent[]): StoredEvent[] {
  return events.map((event) => {
    if (event.type !== "model.replied") return event;
    return { ...event, blocks: (event.blocks ?? []).filter((block) => block.type !== "text") };
  });
}

describe("the work of a story", () => {
  const usual = longHistory(EVENTS);
  const histories = { usual, "one run of calls": withoutWords(usual) };

  for (const [name, events] of Object.entries(histories)) {
    it(`does not grow for an event with the length of the story: ${name}`, () => {
      const [early, late] = readsOfAnEvent(events);
      assert.ok(early > 0 && late < 1.2 * early + 1, `${early}, then ${late} reads for an event`);
    });
  }

  it("grows no faster than the story when it is shown", () => {
    const reads = [1000, EVENTS].map((length) => {
      const counted = new CountedStory();
      counted.add(usual.slice(0, length));
      const before = counted.reads;
      foldStory(counted.story, { seen: length });
      return (counted.reads - before) / counted.story.rows.length;
    });
    assert.ok(reads[1]! < 1.2 * reads[0]!, `${reads} reads for a row`);
  });

  it("is done in slices with a rest after each, and comes to the same", async () => {
    let rests = 0;
    const story = await storyInSlices(usual, () => {
      rests += 1;
      return undefined;
    });
    assert.equal(rests, EVENTS / 100);
    assert.deepEqual(story.rows, storyOf(usual).rows);
  });
});
