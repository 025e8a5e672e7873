// The sheets behind the choices of a new task.
import { useSignal } from "@preact/signals";
import { microusdOf } from "../../model/asks/raises.ts";
import { BUDGETS_MICROUSD, POLICIES, type TaskChoices } from "../../model/compose/new_task.ts";
import { money } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Field } from "../../parts/controls/field.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { BranchSheet } from "./branch_sheet.tsx";
import { ModelSheet } from "./model_sheet.tsx";
import { RepositorySheet } from "./repository_sheet.tsx";

export type ChoiceName = "repository" | "base" | "model" | "budget" | "policy";

export interface ChoiceSheetProps {
  choices: TaskChoices;
  onChange: (changed: Partial<TaskChoices>) => void;
  onClose: () => void;
}

export function ChoiceSheet({ name, ...props }: ChoiceSheetProps & { name: ChoiceName }) {
  switch (name) {
    case "repository":
      return <RepositorySheet {...props} />;
    case "base":
      return <BranchSheet {...props} />;
    case "model":
      return <ModelSheet {...props} />;
    case "budget":
      return <BudgetSheet {...props} />;
    case "policy":
      return <PolicySheet {...props} />;
  }
}

function Done({ onClose }: { onClose: () => void }) {
  return (
    <Button look="main" onPress={onClose}>
      Done
    </Button>
  );
}

function BudgetSheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  const options = [0, ...BUDGETS_MICROUSD].map((amount) => ({
    value: String(amount),
    name: amount === 0 ? "Default budget" : money(amount),
    help: amount === 0 ? "The limit that this server sets for a task." : "",
  }));
  return (
    <Sheet title="Budget" onClose={onClose} actions={<Done onClose={onClose} />}>
      <p class="soft sheet-note">The task stops and asks you when it has spent this much.</p>
      <Choice
        label="Limit"
        value={String(choices.budgetMicrousd)}
        options={options}
        onChange={(amount) => onChange({ budgetMicrousd: Number(amount) })}
      />
      <OwnBudget choices={choices} onChange={onChange} />
    </Sheet>
  );
}

/** An amount that is none of the usual ones. */
function OwnBudget({ choices, onChange }: Omit<ChoiceSheetProps, "onClose">) {
  const isUsual = [0, ...BUDGETS_MICROUSD].some((amount) => amount === choices.budgetMicrousd);
  const typed = useSignal(isUsual ? "" : String(choices.budgetMicrousd / 1_000_000));
  const isAmount = typed.value === "" || microusdOf(typed.value) > 0;
  return (
    <Field
      label="Another amount, in US dollars"
      value={typed.value}
      placeholder="3.50"
      onInput={(text) => {
        typed.value = text;
        onChange({ budgetMicrousd: microusdOf(text) });
      }}
      {...(isAmount ? {} : { error: "An amount like 3 or 3.50" })}
    />
  );
}

function PolicySheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  return (
    <Sheet title="Approvals" onClose={onClose} actions={<Done onClose={onClose} />}>
      <Choice
        label="When the agent asks you"
        value={choices.policy}
        options={POLICIES}
        onChange={(policy) => onChange({ policy })}
      />
    </Sheet>
  );
}
