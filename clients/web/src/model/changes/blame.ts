// Who made this line: the call that wrote it, what was said before, who asked for it and allowed it.
import type { StoredEvent } from "../generated/events.gen.ts";
import type { AgentRow, ApprovalRow, Call, PersonRow, Row } from "../story/rows.ts";
import { type Story, storyOf } from "../story/story.ts";
import { type FileDiff, parseDiff } from "./diff.ts";

export interface LinePlace {
  readonly path: string;
  /** Number of the line in the file as it stands at `version`. */
  readonly line: number;
  readonly version: number;
  /** What the line says: a call that wrote something else did not write it. */
  readonly text: string;
}

/** `before`: the line was there before the task. `unknown`: these commands may have changed the file. */
export type Blame =
  | {
      readonly kind: "call";
      readonly call: Call;
      /** The agent's last words before it; null: none. */
      readonly said: AgentRow | null;
      /** The instruction it was working on. */
      readonly asked: PersonRow | null;
      readonly approval: ApprovalRow | null;
      /** Cost of the reply that asked for it, which may have asked for more. */
      readonly costMicrousd: number;
    }
  | { readonly kind: "before" }
  | { readonly kind: "unknown"; readonly commands: readonly Call[] };

interface Edit {
  readonly version: number;
  readonly call: string;
  readonly file: FileDiff | null;
}

/** Follow a line back through the edits of its file. Needs the history from version 1. */
export function blameLine(events: readonly StoredEvent[], place: LinePlace): Blame {
  const story = storyOf(events.filter((event) => event.version <= place.version));
  const calls = story.rows.flatMap((row) => (row.kind === "tools" ? row.calls : []));
  const commands = calls.filter((call) => call.tool === "bash" && call.state !== "running");
  let line = place.line;
  for (const edit of editsOf(calls, place.path)) {
    const between = commands.filter((call) => call.to > edit.version);
    if (edit.file === null) return { kind: "unknown", commands: between };
    const found = before(edit.file, line);
    if (found.isWritten) {
      if (found.text === place.text && (place.text.trim() !== "" || between.length === 0)) {
        return blamed(story, events, calls.find((call) => call.call === edit.call)!);
      }
      return { kind: "unknown", commands: between };
    }
    line = found.line;
  }
  return commands.length > 0 ? { kind: "unknown", commands } : { kind: "before" };
}

/** The edits of a file, the newest first. One whose diff was cut has no file. */
function* editsOf(calls: readonly Call[], path: string): Generator<Edit> {
  const edited = calls.filter((call) => call.diff !== "" && call.state === "done");
  for (const call of [...edited].sort((one, other) => other.to - one.to)) {
    const files = parseDiff(call.diff);
    const file = files.find((each) => each.path === path);
    if (file === undefined) continue;
    yield { version: call.to, call: call.call, file: isWhole(file) ? file : null };
    if (file.change === "added") return;
  }
}

function isWhole(file: FileDiff): boolean {
  return file.hunks.every((hunk) => {
    const count = (kind: string) => hunk.lines.filter((line) => line.kind === kind).length;
    const context = count("context");
    return (
      context + count("added") === hunk.newLines && context + count("removed") === hunk.oldLines
    );
  });
}

/** Where a line of the new file was in the old one; or what was written there. */
function before(
  file: FileDiff,
  line: number,
):
  | { readonly isWritten: true; readonly text: string }
  | { readonly isWritten: false; readonly line: number } {
  let moved = 0;
  for (const hunk of file.hunks) {
    const start = hunk.newLines === 0 ? hunk.newStart + 1 : hunk.newStart;
    if (line < start) break;
    if (line < start + hunk.newLines) {
      const place = hunk.lines.findIndex((each) => each.number === line);
      const found = hunk.lines[place]!;
      if (found.kind === "added") return { isWritten: true, text: found.text };
      const old = hunk.lines
        .slice(0, place)
        .filter((each) => each.kind === "context" || each.kind === "removed");
      return { isWritten: false, line: hunk.oldStart + old.length };
    }
    moved += hunk.oldLines - hunk.newLines;
  }
  return { isWritten: false, line: line + moved };
}

function blamed(story: Story, events: readonly StoredEvent[], call: Call): Blame {
  const last = <K extends Row["kind"]>(kind: K, until: number) =>
    (story.rows.findLast((row) => row.kind === kind && row.from < until) ?? null) as Extract<
      Row,
      { kind: K }
    > | null;
  const reply = events.findLast(
    (event) => event.type === "model.replied" && event.version < call.from,
  );
  const asked = story.rows.findLast(
    (row): row is PersonRow => row.kind === "person" && row.takenUp > 0 && row.takenUp < call.from,
  );
  const approval = story.rows.find(
    (row): row is ApprovalRow => row.kind === "approval" && row.from === call.approval,
  );
  return {
    kind: "call",
    call,
    said: last("agent", call.from),
    asked: asked ?? last("person", call.from),
    approval: approval ?? null,
    costMicrousd: reply?.type === "model.replied" ? reply.cost_microusd : 0,
  };
}
