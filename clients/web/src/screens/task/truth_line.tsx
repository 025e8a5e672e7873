// The sentence of truth: what happens now or who waits for whom, and since when.
import { useComputed } from "@preact/signals";
import type { Story } from "../../model/story/rows.ts";
import { truth } from "../../model/words/words.ts";
import { useApp } from "../../state/app.ts";
import type { OpenTask } from "./use_task.ts";

export function TruthLine({ task }: { task: OpenTask }) {
  const { clock } = useApp();
  const begun = useComputed(() => runningSince(task.story.value)).value;
  const state = task.view.state.value;
  if (state === null) return null;
  const said = truth(state, { now: clock.now.value }, begun);
  return (
    <p class="truth">
      <span class={said.isWaiting ? "truth-what waits wrap" : "truth-what wrap"}>
        {shortened(said.what)}
      </span>
      {said.since !== "" && <span class="truth-part">{said.since}</span>}
    </p>
  );
}

const MAX_CHARACTERS = 56;

/** A command can be long; the whole of it stands in its row. */
function shortened(what: string): string {
  return what.length <= MAX_CHARACTERS ? what : `${what.slice(0, MAX_CHARACTERS - 1).trimEnd()}…`;
}

/** When the call began that runs now. */
function runningSince(story: Story): string | undefined {
  const last = story.rows.at(-1);
  if (last?.kind !== "tools") return undefined;
  return last.calls.findLast((call) => call.state === "running")?.at;
}
