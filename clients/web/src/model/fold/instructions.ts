// Instructions that the agent has not taken up yet: they can still be edited and withdrawn.
import type { WaitingInstruction } from "../generated/api.gen.ts";
import type { StoredEvent } from "../generated/events.gen.ts";
import { titleOf } from "./text.ts";

type Waiting = readonly WaitingInstruction[];

/** Apply one event to what waits. */
export function evolveInstructions(waiting: Waiting, event: StoredEvent): Waiting {
  switch (event.type) {
    case "task.instructed": {
      const { version, mode = "steer", text } = event;
      return [...waiting, { version, mode, title: titleOf(text) }];
    }
    case "instruction.edited":
      return waiting.map((each) =>
        each.version === event.instruction ? { ...each, title: titleOf(event.text) } : each,
      );
    case "instruction.withdrawn":
      return waiting.filter((each) => each.version !== event.instruction);
    case "model.requested":
      return waiting.filter((each) => each.mode === "queue" && (event.leaves_queued ?? false));
    default:
      return waiting;
  }
}
