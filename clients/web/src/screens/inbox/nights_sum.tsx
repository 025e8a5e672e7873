// The first look in the morning: what happened since last evening, computed from the list.
import { useSignal } from "@preact/signals";
import { nightsSum } from "../../model/night.ts";
import { plain } from "../../model/plain.ts";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { useApp } from "../../state/app.ts";

export function NightsSum() {
  const { inbox, clock, preferences } = useApp();
  const isOpen = useSignal(false);
  const sum = nightsSum(inbox.lines.value, inbox.seen.value, clock.now.value);
  const today = new Date(clock.now.value).toDateString();
  if (sum === null || preferences.values.value.nightSeen === today) return null;
  return (
    <section class="night" aria-labelledby="night-title">
      <h2 id="night-title">{sum.title}</h2>
      <p>{sum.sentence}</p>
      {isOpen.value && (
        <ul>
          {sum.lines.map((line) => (
            <li key={line.task}>
              <Icon name={line.isGood ? "check" : "alert"} size={16} /> {plain(line.sentence)}
            </li>
          ))}
        </ul>
      )}
      <div class="night-buttons">
        <Button
          look="quiet"
          onPress={() => {
            isOpen.value = !isOpen.value;
          }}
        >
          {isOpen.value ? "Less" : "Show each"}
        </Button>
        <Button
          look="quiet"
          onPress={() => {
            for (const line of sum.lines) inbox.markSeen(line.task, line.version);
            preferences.set({ nightSeen: today });
          }}
        >
          All seen
        </Button>
      </div>
    </section>
  );
}
