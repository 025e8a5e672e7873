// The agent's plan, item by item.
import type { PlanItem } from "../../model/generated/events.gen.ts";
import { plain } from "../../model/plain.ts";
import { Icon } from "../../parts/content/icon.tsx";
import "./plan.css";

const LABELS = { done: "Done", active: "In work", pending: "To do", "": "Dropped" } as const;

export function PlanMark({ state, size = 20 }: { state: PlanItem["state"] | ""; size?: number }) {
  if (state === "done") return <Icon name="check" size={size} label={LABELS.done} />;
  if (state === "active") return <Icon name="next" size={size} label={LABELS.active} />;
  if (state === "") return <Icon name="close" size={size} label={LABELS[""]} />;
  return <span class="plan-todo" role="img" aria-label={LABELS.pending} />;
}

export function PlanItems({ items }: { items: readonly PlanItem[] }) {
  return (
    <ol class="plan-items">
      {items.map((item, place) => (
        <li key={`${place}${item.text}`} class={item.state}>
          <PlanMark state={item.state} />
          <span class="wrap">{plain(item.text)}</span>
        </li>
      ))}
    </ol>
  );
}
