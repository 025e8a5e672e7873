// Text and images that the person has begun and not sent: every keystroke is stored.
import { batch, effect, type Signal, signal } from "@preact/signals";
import type { Store } from "../../store/store.ts";
import type { WriteQueue } from "./write_queue.ts";

export interface DraftImage {
  readonly id: string;
  readonly name: string;
  readonly blob: Blob;
}

export interface Draft {
  readonly key: string;
  readonly text: Signal<string>;
  readonly images: Signal<readonly DraftImage[]>;
  /** Settles when what is stored was read: until then `text` may still change by itself. */
  readonly ready: Promise<void>;
}

export interface Drafts {
  /** The same object for the same key, as long as the app runs. */
  get(key: string): Draft;
  /** Throw a draft away, because the person said so. */
  discard(key: string): void;
}

/** What becomes of a draft whose words were sent. */
export interface DraftFeed {
  hasImages(key: string): boolean;
  /** It waits with its command, and the field is empty again. */
  send(key: string, command: string): void;
  /** The command is in the log: the draft has done its work. */
  acknowledge(command: string): void;
  /** The command was refused or withdrawn: its words are in the field again. */
  giveBack(key: string, command: string): void;
  clear(): void;
}

/** The key of a field of a task's screen; of a new task without one. */
export function draftKey(task: string, field: string): string {
  return `${task}/${field}`;
}

interface OpenDraft extends Draft {
  /** Take what is stored, which has what is here already. */
  reread(): Promise<void>;
  empty(): void;
}

export function createDrafts(
  store: Store,
  writes: WriteQueue,
  now: () => number,
): Drafts & DraftFeed {
  const drafts = new Map<string, OpenDraft>();

  function get(key: string): OpenDraft {
    const draft = drafts.get(key) ?? openDraft(key, store, writes, now);
    drafts.set(key, draft);
    return draft;
  }

  return {
    get,
    discard(key) {
      drafts.get(key)?.empty();
      writes.add(() => store.deleteDraft(key));
    },
    hasImages: (key) => (drafts.get(key)?.images.peek().length ?? 0) > 0,
    send(key, command) {
      writes.add(() => store.moveDraft(key, sentKey(command), now()));
      drafts.get(key)?.empty();
    },
    acknowledge(command) {
      writes.add(() => store.deleteDraft(sentKey(command)));
    },
    giveBack(key, command) {
      writes.add(() => store.moveDraft(sentKey(command), key, now()));
      void writes.settled().then(() => drafts.get(key)?.reread());
    },
    clear() {
      for (const draft of drafts.values()) draft.empty();
      drafts.clear();
    },
  };
}

/** Where a draft waits for the answer to its command. */
export function sentKey(command: string): string {
  return `sent/${command}`;
}

function openDraft(key: string, store: Store, writes: WriteQueue, now: () => number): OpenDraft {
  const text = signal("");
  const images = signal<readonly DraftImage[]>([]);
  let isOurs = true; // what is here came from the store, or goes there with its command
  let stored: ReadonlySet<string> = new Set();

  async function save(words: string, kept: readonly DraftImage[]): Promise<void> {
    for (const { id, blob } of kept) if (!stored.has(id)) await store.putBlob(id, blob);
    const names = kept.map(({ id, name }) => ({ id, name }));
    if (words === "" && kept.length === 0) await store.deleteDraft(key);
    else await store.putDraft({ key, text: words, images: names, at: now() });
    for (const id of stored) if (!kept.some((image) => image.id === id)) await store.deleteBlob(id);
    stored = new Set(kept.map((image) => image.id));
  }

  function change(made: () => void): void {
    isOurs = true;
    batch(made);
    isOurs = false;
  }

  /** `isMerged`: what is stored has what is here already. */
  async function read(isMerged: boolean): Promise<void> {
    const found = await store.draft(key);
    if (found === null) return;
    const kept: DraftImage[] = [];
    for (const { id, name } of found.images) {
      const blob = await store.blob(id);
      if (blob !== null) kept.push({ id, name, blob });
    }
    stored = new Set(kept.map((image) => image.id));
    const typed = isMerged ? "" : text.peek(); // while it was read
    change(() => {
      text.value = `${found.text}${typed}`;
      images.value = [...kept, ...images.peek().filter((image) => !stored.has(image.id))];
    });
    if (typed !== "") writes.add(() => save(text.peek(), images.peek()));
  }

  /** What is to be stored next: who types faster than the store writes skips what is between. */
  let next: { words: string; kept: readonly DraftImage[] } | null = null;

  effect(() => {
    const [words, kept] = [text.value, images.value];
    if (isOurs) return;
    if (next !== null) {
      Object.assign(next, { words, kept });
      return;
    }
    const mine = { words, kept };
    next = mine;
    writes.add(() => {
      if (next === mine) next = null;
      return save(mine.words, mine.kept);
    });
  });
  isOurs = false;
  const ready = writes.settled().then(() => read(false));
  return {
    key,
    text,
    images,
    ready,
    reread: () => read(true),
    empty() {
      next = null; // what was typed until now is stored as it is
      stored = new Set();
      change(() => {
        text.value = "";
        images.value = [];
      });
    },
  };
}
