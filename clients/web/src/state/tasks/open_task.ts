// One open task: it follows the history, folds it, and shows both once a frame.
import { ProblemError } from "../../line/api.ts";
import type { ServerItem } from "../../line/stream.ts";
import { evolve } from "../../model/fold/fold.ts";
import type { EventPage, TaskState } from "../../model/generated/api.gen.ts";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import type { FromDevice, Subscription } from "../../model/generated/frames.gen.ts";
import {
  type Effect,
  follow,
  type Position,
  type Received,
  startAt,
} from "../../model/protocol/following.ts";
import { MIN_PAUSE_MS } from "../../model/protocol/reconnect.ts";
import { FOLD_INTERVAL, type StoredFold, type TaskBatch } from "../../store/store.ts";
import type { Frames } from "./frames.ts";
import {
  eventsUpTo,
  type HistoryParts,
  type Opened,
  openFromGateway,
  openStored,
  stateAt,
} from "./history.ts";
import { createOlder, type OlderParts } from "./older.ts";
import { createPassing } from "./passing.ts";
import { ERASED, NOT_THERE } from "./problems.ts";
import { ShownTask } from "./shown_task.ts";
import type { TaskView } from "./tasks.ts";

const PAGE_EVENTS = 500;

export interface OpenTaskParts extends HistoryParts, OlderParts {
  readonly frames: Frames;
  readonly isLive: () => boolean;
  readonly send: (frame: FromDevice) => boolean;
  readonly seen: (task: string) => number;
  /** Store what came otherwise than in a frame. */
  readonly write: (batch: TaskBatch) => void;
  readonly onEvents: (events: readonly StoredEvent[]) => void;
}

export class OpenTask {
  private readonly shown = new ShownTask();
  private readonly passing;
  private readonly loadOlder;
  private readonly seenAtOpening: number;
  private caughtUp = 0;
  private position: Position | null = null; // null: not loaded yet
  private folded: TaskState | null = null;
  private fresh: StoredEvent[] = []; // applied, and not shown yet
  private unwritten: StoredEvent[] = [];
  private folds: StoredFold[] = [];
  private received: StoredEvent | null = null;
  private preview: TaskState | null = null; // until the events are here
  private isSubscribed = false;
  private isFetching = false;
  private isLoading = false;
  private isDisposed = false;

  constructor(
    private readonly id: string,
    private readonly parts: OpenTaskParts,
  ) {
    this.passing = createPassing(parts.frames);
    this.loadOlder = createOlder(parts, id, this.shown);
    this.seenAtOpening = parts.seen(id);
  }

  /** Show what is stored, or ask the gateway; then follow. */
  async load(): Promise<void> {
    if (this.isLoading) return;
    this.isLoading = true;
    try {
      await this.parts.writes.settled();
      const opened =
        (await openStored(this.parts, this.id)) ?? (await openFromGateway(this.parts, this.id));
      if (this.isDisposed || this.position !== null) return;
      this.begin(opened);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.shown.problem.value = error.problem;
    } finally {
      this.isLoading = false;
    }
  }

  private begin({ events, state, version, preview }: Opened): void {
    this.preview = preview;
    this.position = startAt(version);
    this.folded = state;
    this.fresh = [...events];
    this.shown.problem.value = null;
    this.shown.kept.value = version;
    this.show();
    this.subscribe(version);
  }

  /** For the hello of a new connection. */
  subscription(): Subscription | null {
    this.isSubscribed = this.position !== null;
    return this.position && { task: this.id, version: this.position.version };
  }

  connected(): void {
    if (this.position === null) {
      void this.load();
      return;
    }
    this.receive({ kind: "connected" });
    if (!this.isSubscribed) this.subscribe(this.position.version); // loaded after the hello
  }

  private subscribe(version: number): void {
    this.isSubscribed = this.parts.send({ t: "sub", task: this.id, version });
  }

  take(item: ServerItem): void {
    if (!("t" in item)) {
      this.received = item;
      this.receive({ kind: "event", version: item.version });
      return;
    }
    switch (item.t) {
      case "eph":
        this.passing.add(item);
        return;
      case "live":
        this.receive({ kind: "live", version: item.version });
        return;
      case "behind":
        this.receive({ kind: "behind", head: item.head });
        return;
      case "reset":
        this.receive({ kind: "reset", reason: item.reason });
        return;
      default:
    }
  }

  receive(received: Received): void {
    if (this.position === null) return;
    const [position, effects] = follow(this.position, received);
    this.position = position;
    for (const effect of effects) this.carryOut(effect);
    this.parts.frames.request(this.show);
  }

  /** What was applied since the last call, to be stored. */
  takeBatch(): TaskBatch | null {
    if (this.unwritten.length === 0) return null;
    const batch = { task: this.id, events: this.unwritten, folds: this.folds };
    this.unwritten = [];
    this.folds = [];
    return batch;
  }

  written({ events }: TaskBatch): void {
    const last = events.at(-1)?.version ?? 0;
    if (this.folded !== null && last > this.shown.kept.peek()) this.shown.kept.value = last;
  }

  private carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "apply":
        if (this.received) this.apply(this.received);
        return;
      case "sub":
        this.subscribe(effect.version);
        return;
      case "fetch":
        void this.fetch(effect.after);
        return;
      case "caught_up":
        this.caughtUp ||= effect.version;
        return;
      case "lost":
        this.forget();
        return;
      case "gone":
        this.forget();
        this.shown.problem.value = NOT_THERE;
        return;
      case "pause":
        this.later(() => this.receive({ kind: "pause_over" }));
        return;
      case "stalled":
        this.later(() => void this.fetch(this.position?.version ?? 0));
    }
  }

  private apply(event: StoredEvent): void {
    this.folded = evolve(this.folded, event, this.parts.account());
    this.fresh.push(event);
    this.unwritten.push(event);
    this.passing.endedBy(event);
    if (event.version % FOLD_INTERVAL === 0 && this.folded?.version === event.version) {
      this.folds.push({ task: this.id, version: event.version, state: this.folded });
    }
    if (event.type === "task.erased") {
      this.forget();
      this.shown.problem.value = ERASED;
    }
  }

  private async fetch(after: number): Promise<void> {
    if (this.isFetching) return;
    this.isFetching = true;
    const path = `/v1/tasks/${encodeURIComponent(this.id)}/events`;
    try {
      const page = await this.parts.api.get<EventPage>(path, { after, limit: PAGE_EVENTS });
      this.isFetching = false;
      if (!this.isDisposed) this.takePage(page.data);
    } catch {
      this.isFetching = false;
      this.later(() => {
        if (this.position?.following === "fetching") void this.fetch(this.position.version);
      });
    }
  }

  private takePage(events: readonly StoredEvent[]): void {
    if (this.position === null) return;
    const versions = events.map((event) => event.version);
    const [position, effects] = follow(this.position, { kind: "page", versions });
    const byVersion = new Map(events.map((event) => [event.version, event]));
    this.position = position;
    for (const effect of effects) {
      if (effect.kind === "apply") this.received = byVersion.get(effect.version) ?? null;
      this.carryOut(effect);
    }
    const batch = this.takeBatch();
    if (batch) this.parts.write(batch);
    this.parts.frames.request(this.show);
  }

  /** Forget what is here and what is stored. */
  private forget(): void {
    this.folded = null;
    this.preview = null;
    this.fresh = [];
    this.unwritten = [];
    this.folds = [];
    this.shown.clear();
    this.parts.writes.add(() => this.parts.store.forget(this.id));
  }

  private readonly show = (): void => {
    if (this.position === null) return;
    const { fresh } = this;
    this.fresh = [];
    this.shown.show(this.folded ?? this.preview, this.position, fresh);
    if (fresh.length > 0) this.parts.onEvents(fresh);
  };

  private later(work: () => void): void {
    setTimeout(() => {
      if (!this.isDisposed) work();
    }, MIN_PAUSE_MS);
  }

  dispose(): void {
    this.isDisposed = true;
  }

  view(close: () => void): TaskView {
    const firstUnseen = () => {
      const head = this.caughtUp || this.shown.through.value;
      return this.seenAtOpening < head ? this.seenAtOpening + 1 : 0;
    };
    return {
      id: this.id,
      state: this.shown.state,
      events: this.shown.events,
      story: this.shown.story,
      through: this.shown.through,
      kept: this.shown.kept,
      following: this.shown.following,
      passing: this.passing.blocks,
      hasOlder: this.shown.hasOlder,
      problem: this.shown.problem,
      get firstUnseen() {
        return firstUnseen();
      },
      loadOlder: this.loadOlder,
      retry: () => void this.load(),
      at: async (version) => {
        const state = await stateAt(this.parts, this.id, version);
        return { version, state, events: await eventsUpTo(this.parts, this.id, version) };
      },
      close,
    };
  }
}
