// Who made this line: the step that wrote it, the words before it, who asked for it and allowed it.
import { useMemo } from "preact/hooks";
import { blameLine, type LinePlace } from "../../model/changes/blame.ts";
import { plainLine } from "../../model/plain.ts";
import { approvalReceipt, money } from "../../model/words/words.ts";
import { Link } from "../../parts/controls/link.tsx";
import { useApp } from "../../state/app.ts";
import { usePeople } from "../task/use_people.ts";
import { useWholeTask } from "../task/use_whole_task.ts";

interface MakerProps {
  task: string;
  place: LinePlace;
}

export function Maker({ task: id, place }: MakerProps) {
  const { clock } = useApp();
  const people = usePeople();
  const { events, isWhole } = useWholeTask(id);
  const blame = useMemo(
    () => (isWhole ? blameLine(events, place) : null),
    [events, isWhole, place.path, place.line, place.version],
  );
  if (blame === null) return <p class="soft small">Looking through the history …</p>;
  if (blame.kind === "before") return <p class="soft">This line was there before the task.</p>;
  if (blame.kind === "unknown") {
    return (
      <p class="soft">
        It is not known which step wrote this line: {blame.commands.length}{" "}
        {blame.commands.length === 1 ? "command" : "commands"} may have changed the file.
      </p>
    );
  }
  const { call, said, asked, approval, costMicrousd } = blame;
  return (
    <section class="maker" aria-labelledby="maker-title">
      <h3 id="maker-title">Who made this line</h3>
      <p>
        <Link to={`/t/${id}#v${call.from}`}>{plainLine(call.title)}</Link>{" "}
        <span class="soft small numbers">
          #{call.from} · {money(costMicrousd)} for the reply
        </span>
      </p>
      {said !== null && <blockquote class="soft">{plainLine(said.text, 240)}</blockquote>}
      {asked !== null && (
        <p>
          Asked for by: <Link to={`/t/${id}#v${asked.from}`}>{plainLine(asked.text, 120)}</Link>
        </p>
      )}
      {approval !== null && (
        <p class="soft">{approvalReceipt(approval, people, { now: clock.now.value })}</p>
      )}
    </section>
  );
}
