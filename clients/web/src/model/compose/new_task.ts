// What a new task is made of before it is sent. Pure.
import type { Effort, ForkRequest, TaskRequest } from "../generated/api.gen.ts";

type Policy = NonNullable<TaskRequest["policy"]>;

/** Everything but the prompt; an empty text means the server's default. */
export interface TaskChoices {
  readonly repository: string;
  readonly base: string;
  readonly model: string;
  readonly effort: Effort;
  readonly policy: Policy;
  /** Millionths of a US dollar; 0: no limit of its own. */
  readonly budgetMicrousd: number;
}

export const NO_CHOICES: TaskChoices = {
  repository: "",
  base: "",
  model: "",
  effort: "",
  policy: "risky",
  budgetMicrousd: 0,
};

export const POLICIES: readonly { value: Policy; name: string; short: string; help: string }[] = [
  {
    value: "risky",
    name: "Ask before risky steps",
    short: "Ask if risky",
    help: "Pushes, deletions and what reaches the network wait for you.",
  },
  {
    value: "always",
    name: "Ask before every change",
    short: "Ask always",
    help: "Every command and every edit waits for you.",
  },
  {
    value: "never",
    name: "Never ask",
    short: "Never ask",
    help: "The agent works on by itself inside its sandbox.",
  },
];

export const BUDGETS_MICROUSD = [500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000] as const;

/** What keeps the task from being sent, as a sentence; empty when nothing does. */
export function whatIsMissing(prompt: string, choices: TaskChoices, isFork = false): string {
  if (prompt.trim() === "") return "Say what is to be done.";
  if (isFork) return ""; // the repository is the other task's
  if (choices.repository.trim() === "") return "Choose the repository to work on.";
  return "";
}

/** The command's arguments; what was left at its default is not sent. */
export function taskRequest(prompt: string, choices: TaskChoices): TaskRequest {
  const { repository, base, model, effort, policy, budgetMicrousd } = choices;
  return {
    prompt: prompt.trim(),
    repository: { url: repository.trim(), ...(base.trim() === "" ? {} : { base: base.trim() }) },
    policy,
    ...(model === "" ? {} : { model }),
    ...(effort === "" ? {} : { effort }),
    ...(budgetMicrousd === 0 ? {} : { budget: { cost_microusd: budgetMicrousd } }),
  };
}

/** The task and version that a fork begins from. */
export interface ForkPoint {
  readonly task: string;
  readonly at: number;
}

/** Where a fork begins, as the query of the address says; null when none is asked for. */
export function forkPointOf(query: string): ForkPoint | null {
  const asked = new URLSearchParams(query);
  const [task, at] = [asked.get("fork") ?? "", Number(asked.get("at"))];
  return task !== "" && Number.isSafeInteger(at) && at > 0 ? { task, at } : null;
}

/** The address of the screen that sends a fork. */
export function forkPath({ task, at }: ForkPoint): string {
  return `/new?fork=${encodeURIComponent(task)}&at=${at}`;
}

/** The arguments of a fork; what is as in the other task (`like`) is not sent. */
export function forkRequest(
  prompt: string,
  at: number,
  choices: TaskChoices,
  like: TaskChoices,
): ForkRequest {
  const { model, effort, policy, budgetMicrousd } = choices;
  return {
    at,
    prompt: prompt.trim(),
    ...(model === like.model ? {} : { model }),
    ...(effort === like.effort ? {} : { effort }),
    ...(policy === like.policy ? {} : { policy }),
    ...(budgetMicrousd === like.budgetMicrousd
      ? {}
      : { budget: { cost_microusd: budgetMicrousd } }),
  };
}
