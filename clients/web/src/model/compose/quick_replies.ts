// Replies to choose from: made of the log, and the person's own.

import type { Story } from "../story/rows.ts";
import { type ComposerSituation, isEnded } from "./composer.ts";

const MAX_REPLIES = 4;
const STOPPED = ["Go on", "Run the tests", "Explain first"] as const;
const FINISHED = ["Run the tests", "Explain what you changed"] as const;
const FAILED = ["Try again", "Explain what went wrong"] as const;

/** The person's own come last, and never while something else is asked: it would be no answer. */
export function quickReplies(
  story: Story,
  situation: ComposerSituation,
  own: readonly string[] = [],
): readonly string[] {
  const isAsked = situation.waiting !== "" && situation.waiting !== "instruction";
  return [...new Set([...ofLog(story, situation), ...(isAsked ? [] : own)])];
}

function ofLog(story: Story, situation: ComposerSituation): readonly string[] {
  if (situation.waiting === "instruction") return STOPPED;
  if (!isEnded(situation.phase)) return [];
  if (situation.phase !== "finished") return FAILED;
  return [...offered(story), ...FINISHED].slice(0, MAX_REPLIES);
}

/** What the agent last offered and nobody chose. */
function offered(story: Story): readonly string[] {
  const asked = story.rows.findLast((row) => row.kind === "question");
  if (asked?.kind !== "question" || asked.answer !== null) return [];
  return asked.options;
}
