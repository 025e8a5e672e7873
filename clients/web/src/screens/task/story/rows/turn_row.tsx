// A finished turn that was seen before: one line, which opens to all its rows.
import type { TurnItem } from "../../../../model/story/rows.ts";
import { countsLine } from "../../../../model/words/words.ts";
import { toggle, useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

export function TurnView({ item }: { item: TurnItem }) {
  const { opened } = useStory();
  return (
    <StoryRow item={item} look="turn">
      <StoryLine icon="spark" onPress={() => toggle(opened, item.key)} isOpen={false}>
        {countsLine(item.counts)}
      </StoryLine>
    </StoryRow>
  );
}
