// One tool call, whole: its command, its change, its output, each to be copied.
import { plain } from "../../../model/plain.ts";
import type { Call, Row } from "../../../model/story/rows.ts";
import { callOutcome, duration } from "../../../model/words/words.ts";
import { Command } from "../../../parts/content/command.tsx";
import { DiffLines } from "../../../parts/content/diff_lines.tsx";
import { Button } from "../../../parts/controls/button.tsx";
import { copyText } from "../../../parts/controls/copy.ts";
import { Sheet } from "../../../parts/frame/sheet.tsx";
import { WholeContent } from "./rows/whole_content.tsx";
import { OutputTail } from "./running.tsx";
import { useStory } from "./story_context.ts";

const ALL_LINES = 10_000;

export function CallSheet({ call, onClose }: { call: Call; onClose: () => void }) {
  const { task } = useStory();
  const now = current(task.story.value.rows, call);
  const piece = task.view.passing.value.get(now.call);
  return (
    <Sheet title={plain(now.title)} over={under(now)} onClose={onClose}>
      <div class="call-sheet">
        {now.command !== "" && (
          <CallPart title="Command" text={now.command}>
            <Command text={now.command} />
          </CallPart>
        )}
        {now.diff !== "" && (
          <CallPart title="Change" text={now.diff}>
            <DiffLines diff={now.diff} />
          </CallPart>
        )}
        {now.output !== "" && (
          <CallPart title={now.isTruncated ? "Output, shortened" : "Output"} text={now.output}>
            <pre class="story-output">{plain(now.output)}</pre>
          </CallPart>
        )}
        {now.isTruncated && !now.artifact && (
          <p class="soft small">The whole of it is not part of what is shown here.</p>
        )}
        {now.artifact && <WholeContent version={now.to} sizeBytes={now.artifact.size_bytes} />}
        {now.state === "running" && piece && <OutputTail piece={piece} lines={ALL_LINES} />}
        {now.state === "running" && !piece && <p class="soft">No output yet.</p>}
      </div>
    </Sheet>
  );
}

interface CallPartProps {
  readonly title: string;
  readonly text: string;
  readonly children: preact.ComponentChildren;
}

function CallPart({ title, text, children }: CallPartProps) {
  return (
    <section>
      <div class="call-part">
        <h3>{title}</h3>
        <Button look="quiet" icon="copy" onPress={() => void copyText(text)}>
          Copy
        </Button>
      </div>
      {children}
    </section>
  );
}

function under(call: Call): string {
  const parts = [
    call.tool,
    call.state === "running" ? "running" : callOutcome(call),
    call.seconds > 0 ? duration(call.seconds) : "",
    `#${call.from}`,
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

function callsOf(row: Row): readonly Call[] {
  if (row.kind === "setup") return [row.call];
  return row.kind === "tools" ? row.calls : [];
}

/** The call as it stands now: it may have ended since the sheet was opened. */
function current(rows: readonly Row[], call: Call): Call {
  for (const row of rows.toReversed()) {
    const found = callsOf(row).find((each) => each.call === call.call && each.from === call.from);
    if (found !== undefined) return found;
  }
  return call;
}
