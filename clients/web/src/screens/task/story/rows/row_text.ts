// A row as text, for copying.
import type { Call, StoryItem } from "../../../../model/story/rows.ts";
import { hostAndPort } from "../../../../model/words/words.ts";

export function textOf(item: StoryItem): string {
  switch (item.kind) {
    case "person":
    case "agent":
    case "summary":
      return item.text;
    case "tools":
      return item.calls.map(callText).join("\n\n");
    case "setup":
      return [callText(item.call), item.problem].filter((part) => part !== "").join("\n");
    case "question":
      return [item.text, ...item.options.map((option) => `- ${option}`)].join("\n");
    case "approval":
      return [item.title, item.command, item.diff].filter((part) => part !== "").join("\n");
    case "plan":
      return item.items.map(({ state, text }) => `${MARKS[state]} ${text}`).join("\n");
    case "end":
      return [item.summary, item.detail, item.remedy].filter((part) => part !== "").join("\n");
    case "delivery":
      return item.pullRequest?.url ?? item.branch;
    case "denied":
    case "allowed":
      return hostAndPort(item);
    default:
      return "";
  }
}

const MARKS = { done: "[x]", active: "[>]", pending: "[ ]" } as const;

function callText({ title, command, output, diff }: Call): string {
  const parts = [title, command === "" ? "" : `$ ${command}`, diff, output];
  return parts.filter((part) => part !== "").join("\n");
}
