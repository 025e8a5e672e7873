// What people read: numbers, people, tasks and rows in words. The phrases stand in words/english.ts.
export { ENGLISH } from "./english.ts";
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
} from "./numbers.ts";
export { isMe, type People, who } from "./people.ts";
export {
  approvalReceipt,
  budgetLine,
  callOutcome,
  countsLine,
  deniedLine,
  endLine,
  hostAndPort,
  machineLine,
  planLine,
  providerLine,
  questionReceipt,
  summaryLine,
  toolsLine,
} from "./rows.ts";
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
} from "./task.ts";
