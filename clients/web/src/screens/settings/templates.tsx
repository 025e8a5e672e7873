// Templates of tasks and own quick replies: the same on all devices of the person.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Template, TemplateRequest } from "../../model/generated/api.gen.ts";
import { repositoryName } from "../../model/inbox/inbox.ts";
import { plain, plainLine } from "../../model/plain.ts";
import { money } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Failed, Loading } from "../../parts/frame/notice.tsx";
import { useApp } from "../../state/app.ts";
import { TemplateSheet } from "./template_sheet.tsx";

export function Templates() {
  const { templates } = useApp();
  const failure = useSignal("");
  const edited = useSignal<Template | null>(null);
  const load = () =>
    templates.load().then(
      () => {
        failure.value = "";
      },
      (error: Error) => {
        failure.value = error.message;
      },
    );
  useEffect(() => void load(), [templates]);
  const known = templates.list.value;
  if (known === null) {
    if (failure.value === "") return <Loading rows={4} />;
    return (
      <Failed title="This could not be loaded." action="Try again" onAction={() => void load()}>
        {failure.value}
      </Failed>
    );
  }
  return (
    <>
      <Section
        kind="task"
        title="Tasks"
        about="Offered when you begin a new task. You can also save one while you write it."
        add="Add a template"
        known={known}
        edited={edited}
      />
      <Section
        kind="reply"
        title="Quick replies"
        about="Offered over the text box of every task."
        add="Add a quick reply"
        known={known}
        edited={edited}
      />
      {edited.value !== null && (
        <TemplateSheet
          template={edited.value}
          onClose={() => {
            edited.value = null;
          }}
        />
      )}
    </>
  );
}

interface SectionProps {
  readonly kind: TemplateRequest["kind"];
  readonly title: string;
  readonly about: string;
  readonly add: string;
  readonly known: readonly Template[];
  readonly edited: Signal<Template | null>;
}

function Section({ kind, title, about, add, known, edited }: SectionProps) {
  return (
    <section class="settings-section">
      <h2>{title}</h2>
      <p class="soft">{about}</p>
      <ul class="things">
        {known
          .filter(({ content }) => content.kind === kind)
          .map((template) => (
            <li key={template.template}>
              <Described content={template.content} />
              <Button
                look="quiet"
                onPress={() => {
                  edited.value = template;
                }}
              >
                Edit
              </Button>
            </li>
          ))}
      </ul>
      <Button
        icon="plus"
        onPress={() => {
          edited.value = { template: "", content: { kind, text: "" }, updated_at: "" };
        }}
      >
        {add}
      </Button>
    </section>
  );
}

function Described({ content }: { content: TemplateRequest }) {
  if (content.kind === "reply") return <span class="wrap">{plain(content.text)}</span>;
  return (
    <span>
      <span>{plain(content.name ?? "")}</span>
      <span class="soft small">{plainLine(content.text, 120)}</span>
      <span class="soft small">{terms(content)}</span>
    </span>
  );
}

function terms({ repository, model, budget }: TemplateRequest): string {
  const known = [
    repository ? repositoryName(repository.url) : "",
    repository?.base ?? "",
    model ?? "",
    budget?.cost_microusd ? money(budget.cost_microusd) : "",
  ];
  return plain(known.filter((each) => each !== "").join(" · "));
}
