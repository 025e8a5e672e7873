// Hosts that were denied to the task's commands, and those that a person allowed.
import { isOnItsWay } from "../../../../model/protocol/receipt.ts";
import type { AllowedRow, DeniedRow } from "../../../../model/story/rows.ts";
import { deniedLine, ENGLISH, hostAndPort, who } from "../../../../model/words/words.ts";
import { Button } from "../../../../parts/controls/button.tsx";
import { useApp } from "../../../../state/app.ts";
import { useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

export function DeniedView({ row }: { row: DeniedRow }) {
  const { isReadOnly, people } = useStory();
  const { clock } = useApp();
  const canAllow = row.allowed === null && row.reason === "rules" && row.host !== "";
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon="shield" at={row.at} tone={canAllow ? "attention" : ""}>
        <span class="wrap">{deniedLine(row, people, { now: clock.now.peek() })}</span>
      </StoryLine>
      {canAllow && !isReadOnly && <AllowButton row={row} />}
    </StoryRow>
  );
}

function AllowButton({ row }: { row: DeniedRow }) {
  const { commands } = useApp();
  const { task } = useStory();
  const { host, port } = row;
  const isSent = [...commands.receipts.value.values()].some(
    (receipt) =>
      isOnItsWay(receipt) &&
      receipt.command.op === "allow_host" &&
      receipt.command.task === task.view.id &&
      (receipt.command.args as { host?: string }).host === host,
  );
  const allow = () => commands.send("allow_host", task.view.id, { host, port });
  return (
    <Button disabled={isSent} onPress={allow}>
      {ENGLISH.allowHost}
    </Button>
  );
}

export function AllowedView({ row }: { row: AllowedRow }) {
  const { people } = useStory();
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon="shield" at={row.at}>
        <span class="wrap">{ENGLISH.allowedHostBy(who(row.by, people), hostAndPort(row))}</span>
      </StoryLine>
    </StoryRow>
  );
}
