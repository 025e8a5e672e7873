// What a screen reader hears of a task: boundaries alone (the end, a stop, a lost machine), no tokens.
import { useEffect, useRef } from "preact/hooks";
import type { Row } from "../../model/story/rows.ts";
import { endLine, machineLine, type People } from "../../model/words/words.ts";
import { announce } from "../../parts/frame/announcer.tsx";
import { useApp } from "../../state/app.ts";
import { usePeople } from "./use_people.ts";
import type { OpenTask } from "./use_task.ts";

export function useBoundaries(task: OpenTask): void {
  const { clock } = useApp();
  const people = usePeople();
  const last = task.story.value.rows.at(-1);
  const heard = useRef(task.view.through.peek());
  useEffect(() => {
    const version = last?.to ?? 0;
    const isFirst = heard.current === 0;
    if (last === undefined || version <= heard.current) return;
    heard.current = version;
    const words = boundary(last, people, clock.now.peek());
    if (words !== "" && !isFirst) announce(words);
  }, [last?.key, last?.to]);
}

function boundary(row: Row, people: People, now: number): string {
  if (row.kind === "end") return endLine(row, people);
  if (row.kind === "machine" && row.loss !== null) return machineLine(row, { now });
  return "";
}
