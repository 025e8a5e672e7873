// You have been asked this before: the same kind of ask in this repository, and what was answered.
import type { Precedent, PrecedentList } from "../generated/api.gen.ts";
import type { Verdict } from "../generated/events.gen.ts";
import type { ApprovalRow } from "../story/rows.ts";
import { ENGLISH } from "../words/english.ts";
import { time } from "../words/numbers.ts";
import { type People, who } from "../words/people.ts";
import type { Moment } from "../words/task.ts";

/** A story that is kept here, and its repository's address. */
export interface KnownTask {
  readonly task: string;
  readonly repository: string;
  readonly approvals: readonly ApprovalRow[];
}

const MAX_SHOWN = 5;

/** Count from what is kept here: for when the gateway cannot be asked. */
export function precedentsOf(
  ask: ApprovalRow,
  here: { readonly task: string; readonly repository: string },
  known: Iterable<KnownTask>,
): PrecedentList {
  const data: Precedent[] = [];
  for (const { task, repository, approvals } of known) {
    if (repository !== here.repository) continue;
    for (const row of approvals) {
      if (task === here.task && row.from >= ask.from) continue;
      if (row.at < ask.at && isSimilar(row, ask)) data.push(precedent(task, row, ask));
    }
  }
  data.sort((one, other) => (one.asked_at < other.asked_at ? 1 : -1));
  const count = (verdict: Verdict) => data.filter((each) => each.verdict === verdict).length;
  return {
    asked: data.length,
    allowed: count("allow"),
    denied: count("deny"),
    is_capped: false,
    data: data.slice(0, MAX_SHOWN),
  };
}

/** The same tool and the same risks: what an answer for the task would cover. */
function isSimilar(one: ApprovalRow, other: ApprovalRow): boolean {
  return one.tool === other.tool && one.covers === other.covers;
}

function precedent(task: string, row: ApprovalRow, ask: ApprovalRow): Precedent {
  return {
    task,
    version: row.from,
    title: row.title,
    asked_at: row.at,
    verdict: row.answer?.verdict ?? null,
    scope: row.answer?.scope ?? null,
    answered_by: row.answer?.by ?? "",
    answered_at: row.answer?.at ?? null,
    is_same_call: row.command === ask.command && row.diff === ask.diff,
  };
}

/** "4 times in this repository, allowed 4, last on Tuesday by you"; empty when never. */
export function precedentsLine(found: PrecedentList, people: People, moment: Moment): string {
  if (found.asked === 0) return "";
  const times = found.is_capped ? ENGLISH.moreThanTimes(found.asked) : ENGLISH.times(found.asked);
  const counts = [
    ENGLISH.inThisRepository(times),
    ENGLISH.allowedTimes(found.allowed),
    found.denied > 0 ? ENGLISH.deniedTimes(found.denied) : "",
  ];
  const last = found.data.find((each) => each.answered_at !== null);
  if (last?.answered_at) {
    const by = who(last.answered_by, people);
    const at = time(last.answered_at, moment.now, moment.zone);
    counts.push(ENGLISH.lastBy(at, by === ENGLISH.you ? ENGLISH.youLower : by));
  }
  return counts.filter((part) => part !== "").join(", ");
}
