// The sheet that adds, changes or removes one template or quick reply.
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Template } from "../../model/generated/api.gen.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { useApp } from "../../state/app.ts";

interface TemplateSheetProps {
  /** A new one has no id. */
  readonly template: Template;
  readonly onClose: () => void;
}

export function TemplateSheet({ template: { template, content }, onClose }: TemplateSheetProps) {
  const { templates } = useApp();
  const isTask = content.kind === "task";
  const name = useSignal(content.name ?? "");
  const text = useSignal(content.text);
  const failure = useSignal("");
  const isReady = text.value.trim() !== "" && (!isTask || name.value.trim() !== "");
  const act = async (work: Promise<void>) => {
    await attempt(async () => {
      await work;
      onClose();
    }, failure);
  };
  const save = () => {
    const changed = { ...content, text: text.value.trim() };
    const made = isTask ? { ...changed, name: name.value.trim() } : changed;
    void act(templates.save(template, made));
  };
  const what = isTask ? "template" : "quick reply";
  return (
    <Sheet
      title={template === "" ? `Add a ${what}` : `Edit the ${what}`}
      onClose={onClose}
      actions={
        <>
          {template !== "" && (
            <Button look="bad" onPress={() => void act(templates.remove(template))}>
              Remove
            </Button>
          )}
          <Button look="main" disabled={!isReady} onPress={save}>
            Save
          </Button>
        </>
      }
    >
      <div class="sheet-stack">
        {isTask && (
          <Field
            label="Name"
            value={name.value}
            max={80}
            capitalize="sentences"
            onInput={(typed) => {
              name.value = typed;
            }}
          />
        )}
        <LongField
          label={isTask ? "What is to be done" : "Text"}
          rows={isTask ? 5 : 2}
          value={text.value}
          onInput={(typed) => {
            text.value = typed;
          }}
        />
        {failure.value && (
          <p class="field-error" role="alert">
            {failure.value}
          </p>
        )}
      </div>
    </Sheet>
  );
}

interface LongFieldProps {
  readonly label: string;
  readonly rows: number;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

function LongField({ label, rows, value, onInput }: LongFieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        maxLength={8000}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}
