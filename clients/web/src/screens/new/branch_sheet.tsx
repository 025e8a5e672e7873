// The branch that a new task grows from.
import { usedBranches } from "../../model/compose/recents.ts";
import type { Recents } from "../../model/generated/api.gen.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { useResource } from "../../state/resource.ts";
import type { ChoiceSheetProps } from "./choice_sheet.tsx";
import { Option, OptionGroup } from "./options.tsx";

export function BranchSheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  const recents = useResource<Recents>("/v1/me/recents").data.value;
  const choose = (base: string) => {
    onChange({ base });
    onClose();
  };
  return (
    <Sheet
      title="Branch"
      onClose={onClose}
      actions={
        <Button look="main" onPress={onClose}>
          Done
        </Button>
      }
    >
      <Field
        label="Start from"
        value={choices.base}
        placeholder="Default branch"
        help="The work goes to a branch of its own; this one is not changed."
        onInput={(base) => onChange({ base: base.trim() })}
      />
      <OptionGroup name="Used before">
        {usedBranches(recents, choices.repository).map((branch) => (
          <Option
            key={branch}
            name={branch}
            isChosen={branch === choices.base}
            onChoose={() => choose(branch)}
          />
        ))}
      </OptionGroup>
    </Sheet>
  );
}
