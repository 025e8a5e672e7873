// The list of tasks in its four sections, and each line's words: who waits for whom, since when.
import type { Line } from "../generated/frames.gen.ts";
import { plainLine } from "../plain.ts";
import { ENGLISH } from "../words/english.ts";
import { ago, duration, milliseconds } from "../words/numbers.ts";
import { activity, agentName, type Moment, truth } from "../words/task.ts";

export type { Ask, Line } from "../generated/frames.gen.ts";

export type SectionName = "waiting" | "working" | "fresh" | "earlier";

export interface InboxItem {
  readonly line: Line;
  /** Events since the person last looked. */
  readonly unread: number;
}

export type Sections = Readonly<Record<SectionName, readonly InboxItem[]>>;

const ENDED: ReadonlySet<string> = new Set(["finished", "failed", "cancelled"]);

export const SECTION_TITLES: Readonly<Record<SectionName, string>> = ENGLISH.sections;

/** Sort lines into sections. `seen`: the last version the person has seen of each task. */
export function sectionsOf(lines: Iterable<Line>, seen: ReadonlyMap<string, number>): Sections {
  const sections = { waiting: [], working: [], fresh: [], earlier: [] } as Record<
    SectionName,
    InboxItem[]
  >;
  for (const line of lines) {
    const unread = Math.max(0, line.version - (seen.get(line.task) ?? 0));
    sections[sectionOf(line, unread)].push({ line, unread });
  }
  sections.waiting.sort((one, other) => began(one.line) - began(other.line) || byId(one, other));
  sections.working.sort((one, other) => sent(other.line) - sent(one.line) || byId(one, other));
  for (const name of ["fresh", "earlier"] as const) {
    sections[name].sort(
      (one, other) => changed(other.line) - changed(one.line) || byId(one, other),
    );
  }
  return sections;
}

/** How many tasks call for a look: for the badge. */
export function badgeCount(sections: Sections): number {
  return sections.waiting.length + sections.fresh.length;
}

function sectionOf(line: Line, unread: number): SectionName {
  if (line.is_archived) return "earlier";
  if (ENDED.has(line.phase)) return unread > 0 ? "fresh" : "earlier";
  return line.phase === "waiting" && line.waiting !== "provider" ? "waiting" : "working";
}

function began(line: Line): number {
  return milliseconds(line.since ?? line.updated_at);
}

function changed(line: Line): number {
  return milliseconds(line.updated_at);
}

/** When it was sent, so that a line that works does not move; else the task's id stands for it. */
function sent(line: Line): number {
  return line.submitted_at ? milliseconds(line.submitted_at) : 0;
}

function byId(one: InboxItem, other: InboxItem): number {
  return one.line.task < other.line.task ? -1 : 1;
}

/** What a task asks for: "Allow: git push", "Question: which colour?", "Budget spent". */
export function askLine(line: Line): string {
  const title = line.asks ? plainLine(line.asks.title) : "";
  switch (line.waiting) {
    case "approval":
      return title === "" ? ENGLISH.anApproval : ENGLISH.allow(title);
    case "question":
      return title === "" ? ENGLISH.aQuestion : ENGLISH.question(title);
    case "budget":
      return title === "" ? ENGLISH.askedBudget : title;
    case "instruction":
      return ENGLISH.askedInstruction;
    default:
      return "";
  }
}

/** Who waits for whom, since when: "Allow: git push · 12 min", "Claude is working · 3 min". */
export function lineWords(line: Line, moment: Moment): string {
  const since = line.since ?? line.updated_at;
  const span = duration(Math.floor(Math.max(0, moment.now - milliseconds(since)) / 1000));
  if (line.phase === "waiting" && line.waiting !== "provider") return `${askLine(line)} · ${span}`;
  if (line.phase === "working") return `${activity("", agentName(""))} · ${span}`;
  const standing = {
    ...line,
    activity: "",
    model: "",
    outcome: line.outcome ?? "",
    pull_request: line.pull_request ?? null,
  };
  const said = truth(standing, moment);
  return ENDED.has(line.phase)
    ? `${said.what} · ${ago(since, moment.now, moment.zone)}`
    : `${said.what} · ${span}`;
}

/** A repository's short name: the last two parts of its address. */
export function repositoryName(url: string): string {
  const parts = url
    .replace(/\.git$/, "")
    .replace(/\/+$/, "")
    .split(/[/:]/);
  return plainLine(parts.slice(-2).join("/"), 80);
}
