// The items of a story's list, made anew when the log, the outbox or what passes has changed.
import { useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { foldStory } from "../../../model/rows.ts";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";
import { type ListItem, listItems } from "./list_items.ts";
import { useStory } from "./story_context.ts";

export function useItems({ view, story }: OpenTask): readonly ListItem[] {
  const { commands, inbox } = useApp();
  const { opened } = useStory();
  const seen = useMemo(() => seenAtFirst(view.firstUnseen, inbox.seen.peek().get(view.id)), [view]);
  const rows = useComputed(() => {
    const items = foldStory(story.value, { seen, unfolded: opened.value });
    return view.firstUnseen > 1 ? items : items.filter((item) => item.kind !== "divider");
  });
  return useComputed(() =>
    listItems({
      items: rows.value,
      receipts: commands.receipts.value.values(),
      passing: view.passing.value,
      task: view.id,
      through: view.through.value,
    }),
  ).value;
}

/** Up to where all was seen when the task was opened: what ends while somebody looks stays open. */
function seenAtFirst(firstUnseen: number, cursor = 0): number {
  return firstUnseen > 0 ? firstUnseen - 1 : cursor;
}
