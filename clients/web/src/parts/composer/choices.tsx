// Above the text box: replies to choose from, and when an instruction is read.
import type { InstructionMode } from "../../model/generated/events.gen.ts";
import { Icon } from "../content/icon.tsx";
import { Link } from "../controls/link.tsx";

interface QuickRepliesProps {
  readonly replies: readonly string[];
  readonly onReply: (reply: string) => void;
  /** The address where the person edits their own. */
  readonly editPath: string;
}

export function QuickReplies({ replies, onReply, editPath }: QuickRepliesProps) {
  if (replies.length === 0) return null;
  return (
    <fieldset class="mode-choice quick-replies" aria-label="Quick replies">
      {replies.map((reply) => (
        <button key={reply} type="button" class="chip wrap" onClick={() => onReply(reply)}>
          {reply}
        </button>
      ))}
      <Link to={editPath} class="chip" label="Edit quick replies">
        <Icon name="edit" size={16} />
      </Link>
    </fieldset>
  );
}

interface ModeChoiceProps {
  readonly mode: InstructionMode;
  readonly onMode: (mode: InstructionMode) => void;
}

/** Before the agent's next step, or once it is done with what it does. */
export function ModeChoice({ mode, onMode }: ModeChoiceProps) {
  return (
    <fieldset class="mode-choice" aria-label="When Claude reads it">
      {(["steer", "queue"] as const).map((value) => (
        <button
          key={value}
          type="button"
          class="chip"
          aria-pressed={value === mode}
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onMode(value)}
        >
          <Icon name={value === "steer" ? "send" : "queue"} size={16} />
          {value === "steer" ? "Now" : "After this"}
        </button>
      ))}
    </fieldset>
  );
}
