// Why a task is not shown any more, for people.
import { makeProblem } from "../../line/api.ts";

export const NOT_THERE = makeProblem(404, "not_found", {
  detail: "There is no such task, or it belongs to another account.",
  retryable: false,
});
export const ERASED = makeProblem(410, "erased", {
  detail: "This task was erased. Nothing of it is left.",
  retryable: false,
});
