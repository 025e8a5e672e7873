// Up to where the story is complete on this screen and kept on this device; its own line, while that is less than all.
import { freshness } from "../../model/words/words.ts";
import { useApp } from "../../state/app.ts";
import type { OpenTask } from "./use_task.ts";

export function HowFresh({ task: { view } }: { task: OpenTask }) {
  const { connection, clock } = useApp();
  const status = connection.status.value;
  const through = Math.min(view.kept.value, view.through.value);
  if (through === 0) return null;
  const isBehind = view.following.value === "fetching" || view.following.value === "pausing";
  return (
    <p class={isBehind ? "how-fresh behind numbers" : "how-fresh numbers"}>
      {capital(freshness({ ...status, kind: "live" }, through, { now: clock.now.peek() }))}
      {isBehind && " · more is coming"}
    </p>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
