// What a store does, whatever it is made of. Runs in node and in a browser, so it needs neither.
import type { TaskState } from "../../src/model/generated/api.gen.ts";
import type { StoredEvent } from "../../src/model/generated/events.gen.ts";
import type { Line } from "../../src/model/generated/frames.gen.ts";
import type { Command } from "../../src/model/protocol/receipt.ts";
import type { Store, StoredFold } from "../../src/store/store.ts";

export interface StoreTest {
  readonly name: string;
  run(store: Store): Promise<void>;
}

const A = "task_a";
const MANY = { tasks: 200, bytes: 1e9 };

function event(version: number, task = A): StoredEvent {
  const at = "2026-11-28T12:00:00Z";
  return { id: `evt_${version}`, task, version, at, by: "x", cause: "", type: "task.archived" };
}

function events(from: number, until: number, task = A): StoredEvent[] {
  return Array.from({ length: until - from + 1 }, (_, place) => event(from + place, task));
}

function fold(version: number, task = A): StoredFold {
  return { task, version, state: { id: task, version } as TaskState };
}

function line(version: number, title: string, task = A): Line {
  return { t: "line", task, version, title } as Line;
}

function news(added: StoredEvent[], folds: StoredFold[] = [], lines: Line[] = []) {
  return { tasks: [{ task: added[0]?.task ?? A, events: added, folds }], lines };
}

function equal(found: unknown, wanted: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`found ${one}, wanted ${other}`);
}

async function versions(store: Store, task = A): Promise<number[]> {
  return (await store.events(task, 0, 1e6)).map((each) => each.version);
}

export const STORE_TESTS: readonly StoreTest[] = [
  {
    name: "events, cursor and line of a frame are there together",
    async run(store) {
      await store.write(news(events(1, 3), [], [line(3, "now")]), 7);
      equal(await versions(store), [1, 2, 3]);
      const { cursor, first, usedAt } = (await store.task(A))!;
      equal([first, cursor, usedAt], [1, 3, 7]);
      equal(
        (await store.lines()).map((each) => each.title),
        ["now"],
      );
    },
  },
  {
    name: "a frame with a gap stores nothing at all",
    async run(store) {
      await store.write(news(events(1, 2)), 1);
      const batch = {
        tasks: [...news([event(1, "b")]).tasks, ...news([event(4)]).tasks],
        lines: [line(4, "x")],
      };
      const failure = await store.write(batch, 2).then(
        () => "",
        (error: Error) => error.name,
      );
      equal(failure, "NotDense");
      equal(await versions(store), [1, 2]);
      equal(await store.task("b"), null);
      equal(await store.lines(), []);
    },
  },
  {
    name: "events that come again are stored once",
    async run(store) {
      await store.write(news(events(1, 3)), 1);
      const { bytes } = (await store.task(A))!;
      await store.write(news(events(2, 3)), 2);
      equal(await versions(store), [1, 2, 3]);
      equal((await store.task(A))!.bytes, bytes);
    },
  },
  {
    name: "a line with a lower version changes nothing",
    async run(store) {
      await store.write({ tasks: [], lines: [line(5, "new")] }, 1);
      await store.write({ tasks: [], lines: [line(4, "old")] }, 1);
      equal(
        (await store.lines()).map((each) => each.title),
        ["new"],
      );
    },
  },
  {
    name: "the newest fold at or below a version is found, of its own task",
    async run(store) {
      await store.write(news(events(1, 12), [fold(5), fold(10)]), 1);
      await store.write(news(events(1, 12, "task_b"), [fold(7, "task_b")]), 1);
      equal((await store.fold(A, 9))?.version, 5);
      equal((await store.fold(A, 10))?.version, 10);
      equal(await store.fold(A, 4), null);
      equal((await store.fold("task_b", 99))?.version, 7);
    },
  },
  {
    name: "a task can begin in its middle and grow backwards",
    async run(store) {
      await store.startTask(fold(602), 600, 1);
      await store.write(news(events(601, 603)), 2);
      equal((await store.fold(A, 603))?.version, 602);
      await store.prepend(A, events(590, 595)); // a gap would be left
      equal((await store.task(A))!.first, 601);
      await store.prepend(A, events(598, 600));
      equal(await versions(store), [598, 599, 600, 601, 602, 603]);
      equal((await store.task(A))!.first, 598);
      equal(
        (await store.events(A, 599, 601)).map((each) => each.version),
        [600, 601],
      );
    },
  },
  {
    name: "a forgotten task leaves nothing but drafts and commands",
    async run(store) {
      await store.write(news(events(1, 2), [fold(2)], [line(2, "x")]), 1);
      await store.putSeen(new Map([[A, 2]]));
      await store.putDraft({ key: `${A}/reply`, text: "un", images: [], at: 1 });
      await store.forget(A);
      equal([await store.task(A), await store.fold(A, 9), await store.lines()], [null, null, []]);
      equal([...(await store.seen())], []);
      equal((await store.draft(`${A}/reply`))?.text, "un");
    },
  },
  {
    name: "a draft goes with its images",
    async run(store) {
      await store.putBlob("i1", new Blob(["png"]));
      const images = [{ id: "i1", name: "a.png" }];
      await store.putDraft({ key: "k", text: "see", images, at: 1 });
      equal(await (await store.blob("i1"))?.text(), "png");
      await store.deleteDraft("k");
      equal([await store.draft("k"), await store.blob("i1")], [null, null]);
    },
  },
  {
    name: "a draft that moves keeps its words, and those that are there",
    async run(store) {
      await store.putDraft({ key: "k", text: "one", images: [{ id: "i", name: "n" }], at: 1 });
      await store.moveDraft("k", "sent", 2);
      equal([await store.draft("k"), (await store.draft("sent"))?.text], [null, "one"]);
      await store.putDraft({ key: "k", text: "two", images: [], at: 3 });
      await store.moveDraft("sent", "k", 4);
      await store.moveDraft("not there", "k", 5);
      const { text, images } = (await store.draft("k"))!;
      equal([text, images.length, await store.draft("sent")], ["one\n\ntwo", 1, null]);
    },
  },
  {
    name: "the outbox is in the order of its ids",
    async run(store) {
      const command = (id: string) => ({ id, op: "archive", task: A, args: {}, at: 1 }) as Command;
      for (const id of ["02", "01", "03"]) await store.putCommand(command(id));
      await store.deleteCommand("02");
      equal(
        (await store.outbox()).map((each) => each.id),
        ["01", "03"],
      );
    },
  },
  {
    name: "what was seen never goes back",
    async run(store) {
      await store.putSeen(new Map([[A, 5]]));
      await store.putSeen(new Map([[A, 3]]));
      await store.putSeen(new Map([["b", 1]]));
      equal([...(await store.seen())].sort(), [
        ["b", 1],
        [A, 5],
      ]);
    },
  },
  {
    name: "the events of the tasks used longest ago go first, but not of those that are open",
    async run(store) {
      for (const [place, task] of ["a", "b", "c", "d"].entries()) {
        await store.write(news(events(1, 2, task)), place);
      }
      await store.touch("a", 9);
      await store.prune({ ...MANY, tasks: 2 }, new Set(["b"]));
      const left = await Promise.all(["a", "b", "c", "d"].map((task) => versions(store, task)));
      equal(
        left.map((each) => each.length),
        [2, 2, 0, 2],
      );
      await store.prune({ ...MANY, bytes: 1 }, new Set(["d"]));
      equal([await store.task("a"), (await store.task("d"))?.cursor], [null, 2]);
    },
  },
  {
    name: "a wipe leaves nothing",
    async run(store) {
      await store.write(news(events(1, 2), [fold(2)], [line(2, "x")]), 1);
      await store.putDraft({ key: "k", text: "un", images: [], at: 1 });
      await store.putSeen(new Map([[A, 2]]));
      await store.wipe();
      equal([await store.lines(), await store.draft("k"), await store.outbox()], [[], null, []]);
      equal([await versions(store), [...(await store.seen())]], [[], []]);
    },
  },
];
