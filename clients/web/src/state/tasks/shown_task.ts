// What a screen sees of an open task: signals that change together, once a frame.
import { batch, signal } from "@preact/signals";
import type { Problem, TaskState } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import type { Following, Position } from "../../model/protocol/following.ts";
import { addEvents, emptyStory, type Story, storyInSlices } from "../../model/story/rows.ts";
import { createRest } from "./rest.ts";

export class ShownTask {
  readonly state = signal<TaskState | null>(null);
  readonly events = signal<readonly StoredEvent[]>([]);
  readonly story = signal<Story>(emptyStory());
  readonly through = signal(0);
  readonly kept = signal(0);
  readonly following = signal<Following>("following");
  readonly hasOlder = signal(false);
  readonly problem = signal<Problem | null>(null);

  /** The first version that is shown; where none is, the one after the last that was applied. */
  get first(): number {
    return this.events.peek()[0]?.version ?? this.through.peek() + 1;
  }

  show(state: TaskState | null, position: Position, fresh: readonly StoredEvent[]): void {
    if (fresh.length > 0) {
      this.events.value = [...this.events.peek(), ...fresh];
      this.story.value = addEvents(this.story.peek(), fresh);
    }
    this.through.value = position.version;
    this.following.value = position.following;
    this.hasOlder.value = this.first > 1;
    this.state.value = state;
  }

  /** Older events, up to the one before the first; any others change nothing. */
  async prepend(older: readonly StoredEvent[]): Promise<void> {
    if (older.at(-1)?.version !== this.first - 1) return; // they were loaded meanwhile
    const before = this.events.peek();
    const story = await storyInSlices([...older, ...before], createRest());
    const now = this.events.peek();
    if (now[0] !== before[0]) return; // forgotten meanwhile
    batch(() => {
      this.events.value = [...older, ...now];
      this.story.value = addEvents(story, now.slice(before.length));
      this.hasOlder.value = this.first > 1;
    });
  }

  clear(): void {
    this.kept.value = 0;
    this.events.value = [];
    this.story.value = emptyStory();
  }
}
