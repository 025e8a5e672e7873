// The figures of a moment: money, files, steps.
import type { TaskState } from "../../model/api.gen.ts";
import { money } from "../../model/words.ts";

export function Figures({ state }: { state: TaskState | null }) {
  if (state === null) return null;
  return (
    <p class="past-figures soft small numbers">
      <span>{money(state.cost_microusd ?? 0)}</span>
      <span>
        {state.files_changed ?? 0} files, +{state.insertions ?? 0} −{state.deletions ?? 0}
      </span>
      <span>{state.tool_calls ?? 0} steps</span>
    </p>
  );
}
