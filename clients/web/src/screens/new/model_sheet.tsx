// The model of a new task, and how hard it thinks.
import type { Effort, Recents } from "../../model/generated/api.gen.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Field } from "../../parts/controls/field.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { useResource } from "../../state/resource.ts";
import type { ChoiceSheetProps } from "./choice_sheet.tsx";
import { Option, OptionGroup } from "./options.tsx";

const EFFORTS: readonly { value: Effort; name: string; help: string }[] = [
  { value: "", name: "Server default", help: "" },
  { value: "low", name: "Low", help: "Quick and cheap, for small and clear work." },
  { value: "medium", name: "Medium", help: "" },
  { value: "high", name: "High", help: "Thinks longer; costs more." },
  { value: "xhigh", name: "Very high", help: "" },
  { value: "max", name: "Highest", help: "For the hardest work; can cost several times as much." },
];

export function ModelSheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  const recents = useResource<Recents>("/v1/me/recents").data.value;
  return (
    <Sheet
      title="Model"
      onClose={onClose}
      actions={
        <Button look="main" onPress={onClose}>
          Done
        </Button>
      }
    >
      <div class="sheet-stack">
        <Field
          label="Model"
          value={choices.model}
          placeholder="Server default"
          help="Leave it empty for the server's default model."
          onInput={(model) => onChange({ model: model.trim() })}
        />
        <OptionGroup name="Used before">
          {(recents?.models ?? []).map((model) => (
            <Option
              key={model}
              name={model}
              isChosen={model === choices.model}
              onChoose={() => onChange({ model })}
            />
          ))}
        </OptionGroup>
        <Choice
          label="Effort"
          value={choices.effort}
          options={EFFORTS}
          onChange={(effort) => onChange({ effort })}
        />
      </div>
    </Sheet>
  );
}
