// The first look in the morning: what happened since last evening, computed from the list.
import { useSignal } from "@preact/signals";
import { type NightLine, nightsSum } from "../../model/inbox/night.ts";
import { plain } from "../../model/plain.ts";
import { Icon, type IconName } from "../../parts/content/icon.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { useApp } from "../../state/app.ts";

const ICONS: Readonly<Record<NightLine["kind"], IconName>> = {
  waiting: "question",
  failed: "alert",
  finished: "check",
  cancelled: "close",
  working: "clock",
};

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
            <li key={line.task} class={line.kind}>
              <Icon name={ICONS[line.kind]} size={18} />
              <span class="wrap">{plain(line.sentence)}</span>
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
