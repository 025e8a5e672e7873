// Up to where the story is complete here and kept on this device, and what the task has cost of its budget.
import { freshness, spentOf } from "../../model/words/words.ts";
import { useApp } from "../../state/app.ts";
import type { OpenTask } from "./use_task.ts";

export function HowFresh({ task: { view } }: { task: OpenTask }) {
  const { connection, clock } = useApp();
  const status = connection.status.value;
  const through = Math.min(view.kept.value, view.through.value);
  const state = view.state.value;
  if (through === 0) return null;
  const isBehind = view.following.value === "fetching" || view.following.value === "pausing";
  return (
    <div class={isBehind ? "how-fresh behind numbers" : "how-fresh numbers"}>
      <p>
        {capital(freshness({ ...status, kind: "live" }, through, { now: clock.now.peek() }))}
        {isBehind && " · more is coming"}
      </p>
      {state && <p>{spentOf(state.cost_microusd, state.budget?.cost_microusd ?? 0)}</p>}
    </div>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
