// The items of a story's list, made again when the log, the outbox or what passes has changed.
import { useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { foldStory } from "../../../model/story/rows.ts";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";
import { type ListItem, listItems } from "./list_items.ts";
import { useStory } from "./story_context.ts";

export function useItems({ view, story }: OpenTask): readonly ListItem[] {
  const { commands, inbox } = useApp();
  const { opened } = useStory();
  const cursor = useMemo(() => inbox.seen.peek().get(view.id) ?? 0, [view]);
  const rows = useComputed(() => {
    const whole = story.value;
    const unseen = view.firstUnseen; // known once all is here
    const seen = unseen > 0 ? unseen - 1 : cursor;
    const items = foldStory(whole, { seen, unfolded: opened.value });
    return unseen > 1 ? items : items.filter((item) => item.kind !== "divider");
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
