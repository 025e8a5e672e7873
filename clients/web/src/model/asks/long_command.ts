// Commands that are longer than a frame go over HTTP, with their id as Idempotency-Key.
import type { CommandArguments } from "../generated/api.gen.ts";
import { type Cmd, MAX_FRAME_BYTES } from "../generated/frames.gen.ts";
import type { Command } from "../protocol/receipt.ts";

export function needsHttp(frame: Cmd): boolean {
  return new TextEncoder().encode(JSON.stringify(frame)).length > MAX_FRAME_BYTES;
}

/** The path and the body of a command that can be so long. */
export function longCommandPath(
  { op, task }: Command,
  args: CommandArguments[keyof CommandArguments],
): readonly [string, unknown] {
  const path = `/v1/tasks/${encodeURIComponent(task)}`;
  if (op === "fork") return [`${path}/fork`, args];
  if (op === "instruct") return [`${path}/instructions`, args];
  if (op === "answer") {
    const { request, text } = args as CommandArguments["answer"];
    return [`${path}/questions/${encodeURIComponent(request)}`, { text }];
  }
  return ["/v1/tasks", args];
}
