// The changed files in the order in which they are read, and their addresses. Pure.
import type { WorkChange } from "../generated/api.gen.ts";

const RANKS: Readonly<Record<WorkChange["category"], number>> = {
  "": 0,
  test: 1,
  generated: 2,
  lock: 3,
};

/** What people wrote first, then tests, then what programs made; each by its path. */
export function inReadingOrder(files: readonly WorkChange[]): readonly WorkChange[] {
  return [...files].sort(
    (one, other) => RANKS[one.category] - RANKS[other.category] || (one.path < other.path ? -1 : 1),
  );
}

/** The address of a changed file; without a path, of the list. */
export function changesPath(task: string, path = ""): string {
  const parts = path.split("/").filter((part) => part !== "");
  return ["/t", task, "changes", ...parts].map((part, place) => encoded(part, place)).join("/");
}

function encoded(part: string, place: number): string {
  return place === 0 ? part : encodeURIComponent(part);
}
