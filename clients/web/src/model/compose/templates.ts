// Templates of tasks and quick replies: what is kept of a new task, and what it becomes again. Pure.
import type { Template, TemplateRequest } from "../generated/api.gen.ts";
import type { TaskChoices } from "./new_task.ts";

export function repliesOf(templates: readonly Template[]): readonly string[] {
  return templates
    .filter(({ content }) => content.kind === "reply")
    .map(({ content }) => content.text);
}

export function tasksOf(templates: readonly Template[]): readonly Template[] {
  return templates.filter(({ content }) => content.kind === "task");
}

/** A template of a new task; what was left at its default is chosen when it is sent. */
export function templateOf(name: string, prompt: string, choices: TaskChoices): TemplateRequest {
  const { repository, base, model, effort, policy, budgetMicrousd } = choices;
  const place = repository.trim();
  return {
    kind: "task",
    name: name.trim(),
    text: prompt.trim(),
    policy,
    ...(place === "" ? {} : { repository: { url: place, ...(base === "" ? {} : { base }) } }),
    ...(model === "" ? {} : { model }),
    ...(effort === "" ? {} : { effort }),
    ...(budgetMicrousd === 0 ? {} : { budget: { cost_microusd: budgetMicrousd } }),
  };
}

/** The choices that a template makes; the others stay as they are. */
export function choicesOfTemplate(content: TemplateRequest): Partial<TaskChoices> {
  const { repository, model, effort, policy, budget } = content;
  return {
    ...(repository ? { repository: repository.url, base: repository.base ?? "" } : {}),
    ...(model ? { model } : {}),
    ...(effort ? { effort } : {}),
    ...(policy ? { policy } : {}),
    ...(budget?.cost_microusd ? { budgetMicrousd: budget.cost_microusd } : {}),
  };
}

const MAX_NAME = 40;

/** A name to begin with: the first words of the prompt. */
export function nameOf(prompt: string): string {
  const line = prompt.trim().split("\n", 1)[0] ?? "";
  if (line.length <= MAX_NAME) return line;
  const cut = line.slice(0, MAX_NAME);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), MAX_NAME / 2)).trimEnd()}…`;
}
