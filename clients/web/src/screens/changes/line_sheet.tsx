// What can be done with one line: copy it, ask about it, or see who made it. Rows are lower than a
// thumb is wide: the lines beside the chosen one are a touch away.

import { useSignal } from "@preact/signals";
import { plain } from "../../model/plain.ts";
import type { ChosenLine } from "../../parts/content/diff.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { draftKey } from "../../state/device/drafts.ts";
import { Maker } from "./maker.tsx";

const STEPS = [
  [-1, "Line above"],
  [1, "Line below"],
] as const;

interface LineSheetProps {
  task: string;
  path: string;
  /** Of the snapshot that is shown. */
  version: number;
  line: ChosenLine;
  onClose: () => void;
}

export function LineSheet({ task, path, version, line: chosen, onClose }: LineSheetProps) {
  const { drafts, router } = useApp();
  const at = useSignal(chosen.place);
  const line = chosen.lines[at.value]!;
  const place = line.number > 0 ? `${path}:${line.number}` : path;
  return (
    <Sheet title={plain(place)} onClose={onClose}>
      <pre class="line-quoted">{plain(line.text)}</pre>
      <div class="line-steps">
        {STEPS.map(([step, name]) => (
          <Button
            key={name}
            look="quiet"
            disabled={chosen.lines[at.value + step] === undefined}
            onPress={() => {
              at.value += step;
            }}
          >
            {name}
          </Button>
        ))}
      </div>
      <div class="menu">
        <Button
          look="quiet"
          icon="copy"
          onPress={() => {
            void navigator.clipboard.writeText(line.text).then(() => toast({ text: "Copied." }));
            onClose();
          }}
        >
          Copy the line
        </Button>
        <Button
          look="quiet"
          icon="question"
          onPress={() => {
            const draft = drafts.get(draftKey(task, "instruction"));
            const quoted = `${place}\n> ${line.text}\n`;
            draft.text.value = [draft.text.value, quoted].filter((part) => part !== "").join("\n");
            onClose();
            router.go(`/t/${task}`);
          }}
        >
          Ask about this
        </Button>
      </div>
      {line.number > 0 && (
        <Maker task={task} place={{ path, line: line.number, version, text: line.text }} />
      )}
    </Sheet>
  );
}
