// A story grows event by event, and is the same however it grew.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EVENT_TYPES } from "../../../src/model/generated/events.gen.ts";
import {
  addEvent,
  addEvents,
  emptyStory,
  foldStory,
  storyOf,
} from "../../../src/model/story/rows.ts";
import { goldenEvents, HISTORY_NAMES, history } from "../histories.ts";

describe("adding to a story", () => {
  it("comes to the same one event at a time, in one go, and in any two pieces", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      const whole = storyOf(events);
      assert.deepEqual(events.reduce(addEvent, emptyStory()), whole, name);
      for (let cut = 0; cut <= events.length; cut += 7) {
        const begun = storyOf(events.slice(0, cut));
        assert.deepEqual(addEvents(begun, events.slice(cut)), whole, name);
      }
    }
  });

  it("changes nothing for an event that is there, and nothing of the story before", () => {
    const events = history("pull_request");
    const story = storyOf(events);
    assert.equal(addEvent(story, events[3]!), story);
    const before = storyOf(events.slice(0, 20));
    const copy = structuredClone(before);
    addEvents(before, events.slice(20));
    assert.deepEqual(before, copy);
  });

  it("gives every row a key of its own, which stays", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      let story = emptyStory();
      let keys: string[] = [];
      for (const event of events) {
        story = addEvent(story, event);
        const now = story.rows.map((row) => row.key);
        assert.deepEqual(now.slice(0, keys.length), keys, name);
        assert.equal(new Set(now).size, now.length, name);
        keys = now;
      }
    }
  });

  it("begins in the middle: a call that ends without its beginning makes no row and no error", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      for (let cut = 1; cut < events.length; cut++) {
        const story = storyOf(events.slice(cut));
        assert.equal(story.last, events.length);
        assert.equal(story.first, cut + 1);
      }
    }
  });

  it("takes every stored shape of every event", () => {
    for (const type of EVENT_TYPES) {
      const events = goldenEvents(type);
      assert.ok(events.length > 0, type);
      for (const event of events) {
        const begun = storyOf(history("approval_allowed").slice(0, 12));
        addEvent(begun, { ...event, version: 100 });
      }
    }
  });

  it("takes stored events in any order, with a key of its own for each row", () => {
    const all = [...EVENT_TYPES].flatMap(goldenEvents);
    let state = 7;
    const chance = () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return state / 2 ** 32;
    };
    for (let round = 0; round < 500; round++) {
      const events = Array.from({ length: 60 }, (_, place) => ({
        ...all[Math.floor(chance() * all.length)]!,
        version: place + 1,
      }));
      const story = storyOf(events);
      const keys = story.rows.map((row) => row.key);
      assert.equal(new Set(keys).size, keys.length);
      const items = foldStory(story, { seen: Math.floor(chance() * 60) });
      assert.ok(items.length <= story.rows.length + 1);
    }
  });
});
