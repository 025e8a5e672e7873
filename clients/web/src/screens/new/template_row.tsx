// Templates over an empty prompt, to begin with one; under a written one, a way to keep it as one.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { TaskChoices } from "../../model/compose/new_task.ts";
import { choicesOfTemplate, nameOf, tasksOf, templateOf } from "../../model/compose/templates.ts";
import { plain } from "../../model/plain.ts";
import { Icon } from "../../parts/content/icon.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { Link } from "../../parts/controls/link.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";

interface TemplateRowProps {
  readonly prompt: string;
  readonly choices: TaskChoices;
  readonly onUse: (prompt: string, choices: Partial<TaskChoices>) => void;
}

export function TemplateRow({ prompt, choices, onUse }: TemplateRowProps) {
  const { templates } = useApp();
  const isNaming = useSignal(false);
  useEffect(() => {
    templates.load().catch(() => {}); // a task can be written without
  }, [templates]);
  const known = tasksOf(templates.list.value ?? []);
  if (prompt.trim() !== "") {
    return (
      <div class="template-row">
        <Button
          look="quiet"
          icon="plus"
          onPress={() => {
            isNaming.value = true;
          }}
        >
          Save as template
        </Button>
        {isNaming.value && (
          <NameSheet
            prompt={prompt}
            choices={choices}
            onClose={() => {
              isNaming.value = false;
            }}
          />
        )}
      </div>
    );
  }
  if (known.length === 0) return null;
  return (
    <section class="template-row" aria-label="Templates">
      {known.map(({ template, content }) => (
        <button
          key={template}
          type="button"
          class="chip wrap"
          onClick={() => onUse(content.text, choicesOfTemplate(content))}
        >
          {plain(content.name ?? "")}
        </button>
      ))}
      <Link to="/settings/templates" class="chip" label="Edit templates">
        <Icon name="edit" size={16} />
      </Link>
    </section>
  );
}

interface NameSheetProps {
  readonly prompt: string;
  readonly choices: TaskChoices;
  readonly onClose: () => void;
}

function NameSheet({ prompt, choices, onClose }: NameSheetProps) {
  const { templates } = useApp();
  const name = useSignal(nameOf(prompt));
  const failure = useSignal("");
  const save = async () => {
    await attempt(async () => {
      await templates.save("", templateOf(name.value, prompt, choices));
      toast({ text: `Saved as “${name.value.trim()}”, on all your devices.` });
      onClose();
    }, failure);
  };
  return (
    <Sheet
      title="Save as template"
      onClose={onClose}
      actions={
        <Button look="main" disabled={name.value.trim() === ""} onPress={() => void save()}>
          Save
        </Button>
      }
    >
      <Field
        label="Name"
        value={name.value}
        max={80}
        capitalize="sentences"
        help="The prompt and the choices below it are kept. Pictures are not."
        onInput={(typed) => {
          name.value = typed;
        }}
        {...(failure.value ? { error: failure.value } : {})}
      />
    </Sheet>
  );
}
