// Usage as a page shows it. Pure.
import type { UsagePage } from "./generated/api.gen.ts";

export interface Day {
  /** Year, month and day, in UTC. */
  readonly date: string;
  readonly microusd: number;
}

const DAY_NAME = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  timeZone: "UTC",
});

const DAY_MS = 86_400_000;

/** Every day from the first to the last of a page, also those on which nothing was spent. */
export function daysOf(page: UsagePage): readonly Day[] {
  const spent = new Map(page.data.map((line) => [line.key, line.cost_microusd]));
  const days: Day[] = [];
  for (let at = Date.parse(page.since); at <= Date.parse(page.until); at += DAY_MS) {
    const date = new Date(at).toISOString().slice(0, 10);
    days.push({ date, microusd: spent.get(date) ?? 0 });
  }
  return days;
}

/** `Sat, 28 Nov` for `2026-11-28`; what is no date stands as it is. */
export function dayName(date: string): string {
  const at = Date.parse(date);
  return Number.isNaN(at) ? date : DAY_NAME.format(at);
}
