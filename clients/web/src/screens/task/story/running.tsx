// What is being said or printed right now: shown as it passes, with holes shown as holes.
import { plain } from "../../../model/plain.ts";
import { Prose } from "../../../parts/content/prose.tsx";
import type { Passing } from "../../../state/tasks/tasks.ts";
import { useStory } from "./story_context.ts";

const OUTPUT_LINES = 6;

/** The last lines of a running call's output. */
export function RunningOutput({ call }: { call: string }) {
  const { task } = useStory();
  const piece = task.view.passing.value.get(call);
  if (piece === undefined || piece.kind !== "output") return null;
  return <OutputTail piece={piece} lines={OUTPUT_LINES} />;
}

export function OutputTail({ piece, lines }: { piece: Passing; lines: number }) {
  const kept = piece.text.value.trimEnd().split("\n").slice(-lines).join("\n");
  return (
    <div class="story-running">
      <Hole characters={piece.missing.value} />
      <pre class="story-output">{plain(kept)}</pre>
    </div>
  );
}

/** Prose that the agent is writing. */
export function RunningText({ piece }: { piece: Passing }) {
  const isThought = piece.kind === "thinking";
  return (
    <div class={isThought ? "story-row agent thought" : "story-row agent"}>
      <Hole characters={piece.missing.value} />
      {isThought ? (
        <p class="story-thought soft">{plain(lastParagraph(piece.text.value))}</p>
      ) : (
        <Prose text={piece.text.value} />
      )}
      <span class="pulse" aria-hidden="true" />
    </div>
  );
}

function Hole({ characters }: { characters: number }) {
  if (characters === 0) return null;
  return (
    <p class="story-hole soft small numbers">
      {characters} characters did not arrive; all of it comes with the end.
    </p>
  );
}

function lastParagraph(text: string): string {
  return text.trimEnd().split("\n\n").at(-1) ?? "";
}
