// A story as the list shows it: folded, with a line where the new begins.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findVersion, foldStory, storyOf } from "../../../src/model/story/rows.ts";
import { history } from "../histories.ts";

describe("a story as it is shown", () => {
  const events = history("pull_request");
  const story = storyOf(events);
  const end = events.length;

  it("folds a finished turn that was seen to one line, which can be unfolded", () => {
    const items = foldStory(story, { seen: end });
    const turn = items.find((item) => item.kind === "turn")!;
    assert.ok(turn.kind === "turn" && turn.counts.commands > 0 && turn.counts.edited > 0);
    assert.ok(items.length < story.rows.length);
    assert.deepEqual(
      items.map((item) => item.kind),
      ["person", "turn", "delivery", "end"],
    );
    const unfolded = foldStory(story, { seen: end, unfolded: new Set([turn.key]) });
    assert.deepEqual(unfolded, story.rows);
  });

  it("leaves a turn open that was not seen, under a line that says where the new begins", () => {
    const items = foldStory(story, { seen: 20 });
    const place = items.findIndex((item) => item.kind === "divider");
    assert.ok(place > 0);
    assert.ok(items.slice(place + 1).every((item) => item.from > 20));
    assert.equal(items.length, story.rows.length + 1);
  });

  it("never folds what is still going on", () => {
    const begun = storyOf(events.slice(0, 30));
    assert.deepEqual(foldStory(begun, { seen: 30 }), begun.rows);
  });

  it("opens a link to a version at the item that holds it", () => {
    const items = foldStory(story, { seen: end });
    for (const event of events) {
      const item = items[findVersion(items, event.version)]!;
      assert.ok(item.from <= event.version);
    }
    assert.equal(items[findVersion(items, 1)]!.kind, "person");
  });
});
