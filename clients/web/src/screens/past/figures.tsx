// The figures of a moment: money, files, steps.
import type { TaskState } from "../../model/generated/api.gen.ts";
import { money } from "../../model/words/words.ts";

interface FiguresProps {
  readonly state: TaskState | null;
  readonly hasCosts: boolean;
}

export function Figures({ state, hasCosts }: FiguresProps) {
  if (state === null) return null;
  return (
    <p class="past-figures soft small numbers">
      {hasCosts && <span>{money(state.cost_microusd ?? 0)}</span>}
      <span>
        {counted(state.files_changed ?? 0, "file")}, +{state.insertions ?? 0} −
        {state.deletions ?? 0}
      </span>
      <span>{counted(state.tool_calls ?? 0, "step")}</span>
    </p>
  );
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
