// The line of choices under the prompt: each a button that opens its sheet.

import { POLICIES, type TaskChoices } from "../../model/compose/new_task.ts";
import { repositoryName } from "../../model/inbox/inbox.ts";
import { plain } from "../../model/plain.ts";
import { money } from "../../model/words/words.ts";
import { Icon, type IconName } from "../../parts/content/icon.tsx";
import type { ChoiceName } from "./choice_sheet.tsx";

interface ChoicesProps {
  choices: TaskChoices;
  /** The repository and the branch are those of the other task. */
  isFork: boolean;
  onOpen: (name: ChoiceName) => void;
}

export function Choices({ choices, isFork, onOpen }: ChoicesProps) {
  const ofServer = isFork ? "As in that task" : "";
  const policy = POLICIES.find(({ value }) => value === choices.policy);
  const chips: readonly { name: ChoiceName; label: string; icon: IconName; value: string }[] = [
    {
      name: "repository",
      label: "Repository",
      icon: "code",
      value: choices.repository ? repositoryName(choices.repository) : "Choose a repository",
    },
    { name: "base", label: "Branch", icon: "branch", value: choices.base || "Default branch" },
    {
      name: "model",
      label: "Model",
      icon: "spark",
      value: choices.model || ofServer || "Default model",
    },
    {
      name: "budget",
      label: "Budget",
      icon: "wallet",
      value: choices.budgetMicrousd ? money(choices.budgetMicrousd) : ofServer || "Default budget",
    },
    { name: "policy", label: "Approvals", icon: "shield", value: policy?.short ?? choices.policy },
  ];
  return (
    <ul class="chips">
      {(isFork ? chips.slice(2) : chips).map(({ name, label, icon, value }) => (
        <li key={name}>
          <button
            type="button"
            class={name === "repository" && !choices.repository ? "chip wanted" : "chip"}
            aria-label={`${label}: ${plain(value)}`}
            onClick={() => onOpen(name)}
          >
            <Icon name={icon} size={18} />
            <span class="wrap">{plain(value)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
