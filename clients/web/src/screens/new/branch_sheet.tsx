// The branch that a new task grows from.
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import type { ChoiceSheetProps } from "./choice_sheet.tsx";

export function BranchSheet({ choices, onChange, onClose }: ChoiceSheetProps) {
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
    </Sheet>
  );
}
