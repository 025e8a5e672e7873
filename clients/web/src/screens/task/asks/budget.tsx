// The sheet of a spent budget: what was spent of what, and by how much to raise it.
import { useSignal } from "@preact/signals";
import { microusdOf, raises } from "../../../model/asks/raises.ts";
import { receiptSentence } from "../../../model/asks/receipts.ts";
import type { BudgetRow } from "../../../model/story/rows.ts";
import { budgetLine, limit, time } from "../../../model/words/words.ts";
import { Button } from "../../../parts/controls/button.tsx";
import { Field } from "../../../parts/controls/field.tsx";
import { Link } from "../../../parts/controls/link.tsx";
import { Sheet } from "../../../parts/frame/sheet.tsx";
import { useApp } from "../../../state/app.ts";
import { usePeople } from "../use_people.ts";
import type { OpenTask } from "../use_task.ts";
import { commandReceipt } from "./find_ask.ts";
import "./asks.css";

interface BudgetSheetProps {
  readonly task: OpenTask;
  readonly row: BudgetRow;
  readonly onClose: () => void;
}

const SHARED: ReadonlySet<BudgetRow["scope"]> = new Set(["account", "person"]);

export function BudgetSheet({ task, row, onClose }: BudgetSheetProps) {
  const { clock, commands } = useApp();
  const receipt = commandReceipt(commands.receipts.value, task.view.id, "budget");
  const isSent = receipt !== null && receipt.at >= Date.parse(row.at);
  const isRaised = row.raised !== null;
  return (
    <Sheet title="Raise the budget" onClose={onClose} actions={actions()}>
      <p class="wrap">{budgetLine(row, usePeople(), { now: clock.now.value })}</p>
      {!isRaised && <p class="soft small">{consequence(row, clock.now.value)}</p>}
    </Sheet>
  );

  function actions() {
    if (isRaised || (isSent && receipt.state !== "refused")) {
      return (
        <div class="ask-actions">
          <p role="status">{receipt && !isRaised ? receiptSentence(receipt) : "Claude goes on."}</p>
          <Button onPress={onClose}>Close</Button>
        </div>
      );
    }
    if (SHARED.has(row.scope)) {
      return (
        <Link to="/settings/budgets" class="button main">
          Open budgets
        </Link>
      );
    }
    return <Raises task={task.view.id} row={row} />;
  }
}

function consequence(row: BudgetRow, now: number): string {
  if (SHARED.has(row.scope)) {
    const until = row.resetsAt === "" ? "" : ` It starts again at ${time(row.resetsAt, now)}.`;
    return `This budget is shared with other tasks; raise it in the settings.${until}`;
  }
  if (row.scope === "cost") return "Claude goes on as soon as there is money to spend.";
  const what = row.scope === "turns" ? "turns" : "working time";
  return `A raise also allows as much ${what} again as the task began with.`;
}

function Raises({ task, row }: { task: string; row: BudgetRow }) {
  const { commands } = useApp();
  const own = useSignal("");
  const amount = microusdOf(own.value);
  const raise = (cost_microusd: number) => commands.send("budget", task, { cost_microusd });
  return (
    <div class="ask-actions">
      <div class="raise-amounts">
        {raises(row.scope === "cost" ? row.limit : 0).map((cost, place) => (
          <Button key={cost} look={place === 0 ? "main" : "plain"} onPress={() => raise(cost)}>
            Add {limit(cost)}
          </Button>
        ))}
      </div>
      <div class="raise-own">
        <Field
          label="Another amount, in US dollars"
          kind="text"
          value={own.value}
          placeholder="3.50"
          onInput={(value) => {
            own.value = value;
          }}
          {...(own.value !== "" && amount === 0 ? { error: "An amount like 3 or 3.50" } : {})}
        />
        <Button disabled={amount === 0} onPress={() => raise(amount)}>
          Add
        </Button>
      </div>
    </div>
  );
}
