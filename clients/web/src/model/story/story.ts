// Events in, rows out: one event at a time, and nothing but what it changes is made new.
import type { StoredEvent } from "../generated/events.gen.ts";
import { agentChanges } from "./agent_rows.ts";
import { type Context, Draft } from "./draft.ts";
import { egressChanges } from "./egress_rows.ts";
import { machineChanges } from "./machine_rows.ts";
import { outcomeChanges } from "./outcome_rows.ts";
import { personChanges } from "./person_rows.ts";
import type { Row } from "./rows.ts";
import { setupChanges } from "./setup_rows.ts";
import { toolChanges } from "./tool_rows.ts";

/** The story of a task from the event `first` to the event `last`. */
export interface Story {
  readonly rows: readonly Row[];
  readonly first: number;
  readonly last: number;
  readonly context: Context;
}

export type Change = (draft: Draft, event: never) => void;

type AnyChange = (draft: Draft, event: StoredEvent) => void;

const GROUPS = [
  personChanges,
  agentChanges,
  toolChanges,
  machineChanges,
  setupChanges,
  egressChanges,
  outcomeChanges,
] as const;

/** What each type of event changes; one may change rows of several kinds. */
const CHANGES: ReadonlyMap<string, readonly AnyChange[]> = changesByType();

function changesByType(): Map<string, AnyChange[]> {
  const found = new Map<string, AnyChange[]>();
  for (const [type, change] of GROUPS.flatMap((group) => Object.entries(group))) {
    found.set(type, [...(found.get(type) ?? []), change as AnyChange]);
  }
  return found;
}

export function emptyStory(): Story {
  return { rows: [], first: 0, last: 0, context: Draft.beginning() };
}

/** Return the story with one more event; an event at or below its last changes nothing. */
export function addEvent(story: Story, event: StoredEvent): Story {
  return addEvents(story, [event]);
}

export function addEvents(story: Story, events: Iterable<StoredEvent>): Story {
  const draft = new Draft([...story.rows], story.context);
  let { first, last } = story;
  for (const event of events) {
    if (event.version <= last) continue;
    for (const change of CHANGES.get(event.type) ?? []) change(draft, event);
    first ||= event.version;
    last = event.version;
  }
  return last === story.last ? story : { rows: draft.rows, first, last, context: draft.context };
}

/** How many events are folded between two rests: less than a frame of a slow phone. */
const SLICE_EVENTS = 100;

/** Fold a whole stretch, with a rest after each slice, in which others may have the turn. */
export async function storyInSlices(
  events: readonly StoredEvent[],
  rest: () => Promise<void> | undefined,
): Promise<Story> {
  let story = emptyStory();
  for (let start = 0; start < events.length; start += SLICE_EVENTS) {
    story = addEvents(story, events.slice(start, start + SLICE_EVENTS));
    await rest();
  }
  return story;
}

/** Fold a whole stretch: also how older pages are put before, since a call may reach across. */
export function storyOf(events: Iterable<StoredEvent>): Story {
  return addEvents(emptyStory(), events);
}
