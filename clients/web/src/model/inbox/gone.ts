// Which lines the list has too many, after the device was away. Pure.
import type { TaskPage } from "../generated/api.gen.ts";
import type { Line } from "../generated/frames.gen.ts";

/** The lines that the page of the newest tasks should have and has not: archived, or erased. */
export function goneLines(lines: readonly Line[], page: TaskPage): readonly Line[] {
  const there = new Set(page.data.map((task) => task.id));
  const oldest = page.next === null ? 0 : Date.parse(page.data.at(-1)?.submitted_at ?? "");
  return lines.filter(
    ({ task, submitted_at }) =>
      !there.has(task) && (oldest === 0 || Date.parse(submitted_at ?? "") >= oldest),
  );
}
