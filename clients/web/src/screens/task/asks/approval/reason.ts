// Why the agent asks: the last it said before.
import type { Story } from "../../../../model/story/rows.ts";

const MAX_CHARACTERS = 400;

export function reasonBefore(story: Story, version: number): string {
  const said = story.rows.findLast((row) => row.kind === "agent" && row.from < version);
  if (said?.kind !== "agent") return "";
  const paragraph =
    said.text
      .trim()
      .split(/\n\s*\n/)
      .at(-1) ?? "";
  if (paragraph.length <= MAX_CHARACTERS) return paragraph;
  return `… ${paragraph.slice(-MAX_CHARACTERS)}`;
}
