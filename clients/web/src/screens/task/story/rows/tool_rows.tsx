// A run of tool calls in one line, which opens to each of them.
import { plain } from "../../../../model/plain.ts";
import type { Call, ToolsRow } from "../../../../model/story/rows.ts";
import { callOutcome, duration, toolsLine, unbroken } from "../../../../model/words/words.ts";
import { Icon, type IconName } from "../../../../parts/content/icon.tsx";
import { RunningOutput } from "../running.tsx";
import { toggle, useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

const MAX_OPEN_CALLS = 1;

const ICONS: Readonly<Record<string, IconName>> = {
  bash: "terminal",
  read: "document",
  glob: "search",
  grep: "search",
  edit: "edit",
  write: "edit",
};

export function ToolsView({ row }: { row: ToolsRow }) {
  const { opened } = useStory();
  const isOpen = row.calls.length <= MAX_OPEN_CALLS || opened.value.has(row.key);
  const running = row.calls.find((call) => call.state === "running");
  const last = running ?? row.calls.at(-1)!;
  return (
    <StoryRow item={row} look="tools">
      {row.calls.length > MAX_OPEN_CALLS && (
        <StoryLine
          icon={ICONS[last.tool] ?? "gear"}
          onPress={() => toggle(opened, row.key)}
          isOpen={isOpen}
        >
          {unbroken(toolsLine(row.calls))}
        </StoryLine>
      )}
      {isOpen && <Calls calls={row.calls} isInset={row.calls.length > MAX_OPEN_CALLS} />}
      {!isOpen && running && <Calls calls={[running]} isInset />}
      {running && <RunningOutput call={running.call} />}
    </StoryRow>
  );
}

function Calls({ calls, isInset }: { calls: readonly Call[]; isInset: boolean }) {
  return (
    <ul class={isInset ? "story-calls inset" : "story-calls"}>
      {calls.map((call) => (
        <li key={call.call}>
          <CallLine call={call} />
        </li>
      ))}
    </ul>
  );
}

export function CallLine({ call }: { call: Call }) {
  const { showCall } = useStory();
  return (
    <button type="button" class={`story-line call ${call.state}`} onClick={() => showCall(call)}>
      <Icon name={ICONS[call.tool] ?? "gear"} size={18} />
      <span class="story-line-text">
        <span class="story-call-title">{plain(call.title)}</span>{" "}
        {call.state !== "done" && call.state !== "running" && (
          <span class="story-call-state">{callOutcome(call)}</span>
        )}
      </span>
      {call.state !== "running" && (
        <span class="story-time numbers">{call.seconds > 0 ? duration(call.seconds) : ""}</span>
      )}
      {call.state === "running" && <span class="pulse" aria-hidden="true" />}
      <Icon name="next" size={16} />
    </button>
  );
}
