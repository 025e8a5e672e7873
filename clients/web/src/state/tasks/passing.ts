// What passes: text and output while they happen, a signal for each block. Never stored.
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import type { Ephemeral, EphemeralKind } from "../../model/generated/frames.gen.ts";
import {
  addPiece,
  missingCharacters,
  passingText,
  type Runs,
} from "../../model/protocol/passing.ts";
import { SETUP_CALL } from "../../model/story/setup_rows.ts";
import type { Frames } from "./frames.ts";

/** A piece of text or output that is shown while it happens and stored nowhere. */
export interface Passing {
  readonly block: string;
  readonly kind: EphemeralKind;
  /** What is there; … stands for what is missing. */
  readonly text: ReadonlySignal<string>;
  /** How many characters are missing. */
  readonly missing: ReadonlySignal<number>;
}

interface Block extends Passing {
  readonly text: Signal<string>;
  readonly missing: Signal<number>;
  runs: Runs;
  readonly draw: () => void;
}

export interface PassingBlocks {
  readonly blocks: ReadonlySignal<ReadonlyMap<string, Passing>>;
  add(piece: Ephemeral): void;
  /** The event that ends a block has the whole of it. */
  endedBy(event: StoredEvent): void;
}

export function createPassing(frames: Frames): PassingBlocks {
  const blocks = signal<ReadonlyMap<string, Block>>(new Map());
  let lastTurn = 0;
  const endedCalls = new Set<string>();

  /** A piece may come after the event that has the whole of its block. */
  function isOver(block: string): boolean {
    return endedCalls.has(block) || (turnOf(block) > 0 && turnOf(block) <= lastTurn);
  }

  function drop(isEnded: (block: Block) => boolean): void {
    const left = [...blocks.peek()].filter(([, block]) => !isEnded(block));
    if (left.length !== blocks.peek().size) blocks.value = new Map(left);
  }

  return {
    blocks,
    add(piece) {
      if (isOver(piece.block)) return;
      let block = blocks.peek().get(piece.block);
      if (block === undefined) {
        block = newBlock(piece);
        blocks.value = new Map(blocks.peek()).set(piece.block, block);
      }
      block.runs = addPiece(block.runs, piece);
      frames.request(block.draw);
    },
    endedBy(event) {
      switch (event.type) {
        case "model.replied":
          lastTurn = Math.max(lastTurn, event.turn);
          drop((block) => block.block.startsWith(`${event.turn}.`));
          return;
        case "tool.completed":
        case "tool.interrupted":
          endedCalls.add(event.call);
          drop((block) => block.block === event.call);
          return;
        case "environment.prepared":
          drop((block) => block.block === SETUP_CALL);
          return;
        case "model.failed":
        case "machine.lost":
        case "task.interrupted":
        case "attempt.started":
        case "attempt.ended":
        case "task.finished":
        case "task.failed":
        case "task.cancelled":
        case "task.abandoned":
          drop(() => true);
          return;
        default:
      }
    },
  };
}

/** The turn of a block of a reply (`7.0`); 0 for the output of a call. */
function turnOf(block: string): number {
  return Number(/^(\d+)\./.exec(block)?.[1] ?? 0);
}

function newBlock({ block, kind }: Ephemeral): Block {
  const text = signal("");
  const missing = signal(0);
  const made: Block = {
    block,
    kind,
    text,
    missing,
    runs: [],
    draw() {
      text.value = passingText(made.runs);
      missing.value = missingCharacters(made.runs);
    },
  };
  return made;
}
