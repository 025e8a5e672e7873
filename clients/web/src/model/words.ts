// What people read: numbers, people, tasks and rows in words. The phrases stand in words/english.ts.
export { ENGLISH } from "./words/english.ts";
export {
  ago,
  clockSpan,
  day,
  duration,
  exactTime,
  limit,
  money,
  number,
  size,
  spentOf,
  time,
  unbroken,
} from "./words/numbers.ts";
export { isMe, type People, who } from "./words/people.ts";
export {
  approvalReceipt,
  budgetLine,
  callOutcome,
  countsLine,
  endLine,
  machineLine,
  planLine,
  providerLine,
  questionReceipt,
  toolsLine,
} from "./words/rows.ts";
export {
  activity,
  agentName,
  type Connected,
  freshness,
  type Moment,
  type Standing,
  sentence,
  type Truth,
  truth,
} from "./words/task.ts";
