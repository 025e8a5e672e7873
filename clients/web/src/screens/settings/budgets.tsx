// The limits of the account and of the person, per day and month, and what is spent of them.
import { useSignal } from "@preact/signals";
import type { Allowance, Limits, SettingsKept } from "../../model/generated/api.gen.ts";
import { Meter } from "../../parts/content/meter.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

export function Budgets() {
  const settings = useResource<SettingsKept>("/v1/settings");
  return (
    <ResourceView of={settings}>
      {(kept) => (
        <>
          <Allowed name="Yours" whose="person" allowance={kept.person} kept={kept} of={settings} />
          <Allowed
            name="The whole account’s"
            whose="account"
            allowance={kept.account}
            kept={kept}
            of={settings}
          />
        </>
      )}
    </ResourceView>
  );
}

interface AllowedProps {
  name: string;
  whose: "account" | "person";
  allowance: Allowance;
  kept: SettingsKept;
  of: { reload(): Promise<void> };
}

function Allowed({ name, whose, allowance, kept, of }: AllowedProps) {
  const { api, session } = useApp();
  const day = useSignal(dollars(allowance.limits.day_microusd));
  const month = useSignal(dollars(allowance.limits.month_microusd));
  const save = async () => {
    const limits: Limits = { day_microusd: micro(day.value), month_microusd: micro(month.value) };
    const both = { account: kept.account.limits, person: kept.person.limits, [whose]: limits };
    await attempt(async () => {
      await api.put("/v1/settings", both);
      await of.reload();
      toast({ text: "Saved." });
    });
  };
  const mayChange = whose === "person" || session.me.value?.role === "owner";
  return (
    <section class="settings-section">
      <h2>{name}</h2>
      <Meter
        label="Today"
        spent={allowance.spent.day_microusd}
        limit={allowance.limits.day_microusd}
      />
      <Meter
        label="This month"
        spent={allowance.spent.month_microusd}
        limit={allowance.limits.month_microusd}
      />
      {mayChange && (
        <>
          <Amount label="Limit per day, in dollars" amount={day} />
          <Amount label="Limit per month, in dollars" amount={month} />
          <Button onPress={() => void save()}>Save limits</Button>
        </>
      )}
    </section>
  );
}

function Amount({ label, amount }: { label: string; amount: { value: string } }) {
  return (
    <Field
      label={label}
      value={amount.value}
      placeholder="No limit"
      onInput={(text) => {
        amount.value = text.replace(/[^0-9.]/g, "");
      }}
    />
  );
}

function dollars(amount: number | null | undefined): string {
  return amount ? String(amount / 1e6) : "";
}

function micro(text: string): number | null {
  const amount = Number(text);
  return text.trim() === "" || Number.isNaN(amount) ? null : Math.round(amount * 1e6);
}
