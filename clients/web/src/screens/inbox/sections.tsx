// The sections of the inbox, in an order that never changes, so that a task is where it was.
import { useSignal } from "@preact/signals";
import { SECTION_TITLES, type SectionName, sectionsOf } from "../../model/inbox/inbox.ts";
import { Button } from "../../parts/controls/button.tsx";
import { useApp } from "../../state/app.ts";
import { TaskRow } from "./task_row.tsx";

const ORDER: readonly SectionName[] = ["waiting", "working", "fresh", "earlier"];

export function Sections({ current }: { current: string }) {
  const { inbox } = useApp();
  const sections = sectionsOf(inbox.lines.value, inbox.seen.value);
  return (
    <>
      {ORDER.map((name) => {
        const items = sections[name];
        if (items.length === 0) return null;
        return (
          <section key={name} class={`inbox-section ${name}`} aria-labelledby={`inbox-${name}`}>
            <h2 id={`inbox-${name}`}>
              {SECTION_TITLES[name]} <span class="numbers soft">{items.length}</span>
            </h2>
            <ul>
              {items.map((item) => (
                <TaskRow key={item.line.task} item={item} isCurrent={item.line.task === current} />
              ))}
            </ul>
          </section>
        );
      })}
      <Older />
    </>
  );
}

function Older() {
  const { inbox } = useApp();
  const isBusy = useSignal(false);
  if (!inbox.hasOlder.value) return null;
  return (
    <div class="inbox-older">
      <Button
        busy={isBusy.value}
        onPress={() => {
          isBusy.value = true;
          void inbox.loadOlder().finally(() => {
            isBusy.value = false;
          });
        }}
      >
        {isBusy.value ? "Loading …" : "Show older tasks"}
      </Button>
    </div>
  );
}
