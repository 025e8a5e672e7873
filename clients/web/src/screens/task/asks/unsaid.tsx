// Words that were typed for an ask and not sent before it closed: they are shown, and can be used.
import type { AskRow } from "../../../model/asks/receipts.ts";
import { Button } from "../../../parts/controls/button.tsx";
import { useApp } from "../../../state/app.ts";
import { draftKey } from "../../../state/device/drafts.ts";

interface UnsaidProps {
  readonly task: string;
  readonly row: AskRow;
  readonly onClose: () => void;
}

export function Unsaid({ task, row, onClose }: UnsaidProps) {
  const { drafts } = useApp();
  const key = draftKey(task, `${row.kind === "approval" ? "reason" : "answer"} ${row.request}`);
  const text = drafts.get(key).text.value;
  if (text === "") return null;
  const use = () => {
    const instruction = drafts.get(draftKey(task, "instruction"));
    instruction.text.value = [instruction.text.value, text].filter((each) => each).join("\n");
    drafts.discard(key);
    onClose();
  };
  return (
    <div class="ask-unsaid">
      <p class="soft small">You had written this, and it was not sent:</p>
      <p class="wrap">{text}</p>
      <div class="ask-unsaid-buttons">
        <Button look="quiet" onPress={use}>
          Use it as an instruction
        </Button>
        <Button look="quiet" onPress={() => drafts.discard(key)}>
          Throw it away
        </Button>
      </div>
    </div>
  );
}
