// What a call would do, whole: counted, with the reason before it and its end marked.
import type { RefObject } from "preact";
import { useRef } from "preact/hooks";
import { shellCounts } from "../../../../model/asks/shell.ts";
import { parseDiff } from "../../../../model/changes/diff.ts";
import { plain } from "../../../../model/plain.ts";
import type { ApprovalRow } from "../../../../model/story/rows.ts";
import { ENGLISH } from "../../../../model/words/words.ts";
import { Command } from "../../../../parts/content/command.tsx";
import { DiffLines } from "../../../../parts/content/diff_lines.tsx";
import { Button } from "../../../../parts/controls/button.tsx";
import { copyText } from "../../../../parts/controls/copy.ts";
import type { OpenTask } from "../../use_task.ts";
import { Precedents } from "./precedents.tsx";
import { reasonBefore } from "./reason.ts";

interface ApprovalContentProps {
  readonly task: OpenTask;
  readonly row: ApprovalRow;
  readonly endMark: RefObject<HTMLDivElement | null>;
}

export function ApprovalContent({ task, row, endMark }: ApprovalContentProps) {
  const why = reasonBefore(task.story.value, row.from);
  const whole = useRef([row.command, row.diff].filter((part) => part !== "").join("\n"));
  return (
    <div class="approval">
      {why !== "" && (
        <blockquote class="approval-why wrap">
          <span class="unseen">{ENGLISH.agent} said: </span>
          {plain(why)}
        </blockquote>
      )}
      <div class="call-part">
        <strong class="approval-counts numbers">{counts(row)}</strong>
        <Button look="quiet" icon="copy" onPress={() => void copyText(whole.current)}>
          Copy
        </Button>
      </div>
      {row.command !== "" && <Command text={row.command} />}
      {row.diff !== "" && <DiffLines diff={row.diff} />}
      <div class="approval-end" ref={endMark} />
      <Precedents task={task} row={row} />
    </div>
  );
}

/** "3 commands, 1 deletion"; "1 file, +4 −2". */
function counts(row: ApprovalRow): string {
  if (row.diff === "") return shellCounts(row.command);
  const files = parseDiff(row.diff);
  const insertions = files.reduce((sum, file) => sum + file.insertions, 0);
  const deletions = files.reduce((sum, file) => sum + file.deletions, 0);
  return `${ENGLISH.count(files.length, "file")}, +${insertions} −${deletions}`;
}
