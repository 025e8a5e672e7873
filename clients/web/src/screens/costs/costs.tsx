// What was spent: today and this month, by day, by task, by model; and what is left of the limits.
import { useSignal } from "@preact/signals";
import type { SettingsKept, UsageLine, UsagePage } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { dayName, daysOf } from "../../model/usage.ts";
import { money, number } from "../../model/words/words.ts";
import { Meter } from "../../parts/content/meter.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { Tabs } from "../../parts/frame/tabs.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import { Bars } from "./bars.tsx";
import "./costs.css";

const VIEWS = [
  { by: "day", name: "Day" },
  { by: "task", name: "Task" },
  { by: "model", name: "Model" },
  { by: "person", name: "Person" },
] as const;

type By = (typeof VIEWS)[number]["by"];

export function Costs() {
  const by = useSignal<By>("day");
  return (
    <Screen title="Costs" tabs={<Freshness />} foot={<Tabs current="costs" />}>
      <Left />
      <div class="costs-views" role="tablist" aria-label="Costs by">
        {VIEWS.map((view) => (
          <button
            key={view.by}
            type="button"
            role="tab"
            aria-selected={view.by === by.value}
            onClick={() => {
              by.value = view.by;
            }}
          >
            {view.name}
          </button>
        ))}
      </div>
      <Usage key={by.value} by={by.value} />
    </Screen>
  );
}

function Left() {
  const settings = useResource<SettingsKept>("/v1/settings");
  return (
    <ResourceView of={settings}>
      {({ account, person }) => (
        <section class="costs-left">
          <Meter
            label="You, today"
            spent={person.spent.day_microusd}
            limit={person.limits.day_microusd}
          />
          <Meter
            label="The account, today"
            spent={account.spent.day_microusd}
            limit={account.limits.day_microusd}
          />
          <Meter
            label="The account, this month"
            spent={account.spent.month_microusd}
            limit={account.limits.month_microusd}
          />
        </section>
      )}
    </ResourceView>
  );
}

function Usage({ by }: { by: By }) {
  const usage = useResource<UsagePage>("/v1/usage", { by });
  return (
    <ResourceView of={usage}>
      {(page) => {
        if (page.data.length === 0) return <p class="soft">Nothing was spent in these days.</p>;
        return (
          <>
            {by === "day" && <Bars days={daysOf(page)} />}
            <ul class="costs-lines">
              {[...page.data].reverse().map((line) => (
                <Row key={line.key} line={line} by={by} />
              ))}
            </ul>
          </>
        );
      }}
    </ResourceView>
  );
}

function Row({ line, by }: { line: UsageLine; by: By }) {
  const { inbox } = useApp();
  const task = by === "task" ? inbox.lines.value.find(({ task }) => task === line.key) : undefined;
  const tokens =
    line.input_tokens + line.cache_creation_input_tokens + line.cache_read_input_tokens;
  return (
    <li>
      <span>
        <span class="wrap">
          {by === "day" ? dayName(line.key) : plain(task?.title ?? line.key)}
        </span>
        <span class="soft small numbers">
          {number(line.calls)} {line.calls === 1 ? "call" : "calls"} · {number(tokens)} tokens in ·{" "}
          {number(line.output_tokens)} out
        </span>
      </span>
      <span class="numbers">{money(line.cost_microusd)}</span>
    </li>
  );
}
