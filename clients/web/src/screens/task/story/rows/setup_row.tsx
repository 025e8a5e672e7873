// How the environment was set up: one line that opens to its script and output.
import { plain } from "../../../../model/plain.ts";
import type { SetupRow } from "../../../../model/story/rows.ts";
import { ENGLISH } from "../../../../model/words/words.ts";
import { RunningOutput } from "../running.tsx";
import { StoryRow } from "./story_row.tsx";
import { CallLine } from "./tool_rows.tsx";

export function SetupView({ row }: { row: SetupRow }) {
  return (
    <StoryRow item={row} look="tools">
      <ul class="story-calls">
        <li>
          <CallLine call={row.call} />
        </li>
      </ul>
      {row.why !== "" && <p class="soft small wrap">{ENGLISH.setupWhy(plain(row.why))}</p>}
      {row.problem !== "" && <p class="story-problem wrap">{plain(row.problem)}</p>}
      {row.changed.length > 0 && (
        <p class="soft small wrap">{ENGLISH.setupPutBack(row.changed.map(plain).join(", "))}</p>
      )}
      {row.call.state === "running" && <RunningOutput call={row.call.call} />}
    </StoryRow>
  );
}
