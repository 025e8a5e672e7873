// The honest clock: one bar that shows where the time went, the person's own included.
import { useComputed } from "@preact/signals";
import { type Spender, taskClock } from "../../../model/past/clock.ts";
import { duration } from "../../../model/words/words.ts";
import type { OpenTask } from "../use_task.ts";
import "./honest_clock.css";

const NAMES: Readonly<Partial<Record<Spender, string>>> = {
  machine: "Machine",
  model: "Model",
  tools: "Tools",
  provider: "Model provider away",
  person: "Waiting for you",
};
const SHOWN: readonly Spender[] = ["machine", "model", "tools", "provider", "person"];
const LEAST_SECONDS = 0.5;

interface HonestClockProps {
  readonly task: OpenTask;
  /** The last version that counts; left out: all. */
  readonly until?: number;
}

export function HonestClock({ task: { view }, until }: HonestClockProps) {
  const { spent } = useComputed(() => {
    const events = view.events.value;
    return taskClock(until === undefined ? events : events.filter((e) => e.version <= until));
  }).value;
  const shown = SHOWN.filter((each) => spent[each] >= LEAST_SECONDS);
  if (shown.length === 0 || view.hasOlder.value) return null;
  return (
    <figure class="honest-clock" aria-label="Where the time went">
      <div class="honest-clock-bar" aria-hidden="true">
        {shown.map((each) => (
          <span key={each} class={each} style={{ flexGrow: spent[each] }} />
        ))}
      </div>
      <figcaption>
        {shown.map((each) => (
          <span key={each} class={`honest-clock-part ${each}`}>
            <i aria-hidden="true" />
            {NAMES[each]} <b class="numbers">{duration(spent[each])}</b>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
