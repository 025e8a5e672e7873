// You have been asked this before: what was answered to the same kind of call in this repository.

import { precedentsLine, precedentsOf } from "../../../../model/asks/precedents.ts";
import type { Precedent, PrecedentList } from "../../../../model/generated/api.gen.ts";
import { plain } from "../../../../model/plain.ts";
import type { ApprovalRow } from "../../../../model/story/rows.ts";
import { ENGLISH, time, who } from "../../../../model/words/words.ts";
import { Icon } from "../../../../parts/content/icon.tsx";
import { Link } from "../../../../parts/controls/link.tsx";
import { useApp } from "../../../../state/app.ts";
import { useResource } from "../../../../state/resource.ts";
import { usePeople } from "../../use_people.ts";
import type { OpenTask } from "../../use_task.ts";

interface PrecedentsProps {
  readonly task: OpenTask;
  readonly row: ApprovalRow;
}

/** Of all tasks where the gateway can be asked, of this one alone where it cannot. */
export function Precedents({ task, row }: PrecedentsProps) {
  const { clock } = useApp();
  const people = usePeople();
  const path = `/v1/tasks/${task.view.id}/approvals/${row.request}/precedents`;
  const found = useResource<PrecedentList>(path).data.value ?? precedentsHere(task, row);
  const line = precedentsLine(found, people, { now: clock.now.peek() });
  if (line === "") return null;
  return (
    <section class="precedents" aria-label="You have been asked this before">
      <h3>You have been asked this before</h3>
      <p class="soft small numbers">{line}</p>
      <ul>
        {found.data.map((each) => (
          <li key={`${each.task}${each.version}`}>
            <Icon name={each.verdict === "allow" ? "check" : "close"} size={16} />
            <span class="wrap">
              <Link to={`/t/${each.task}#v${each.version}`}>{plain(each.title)}</Link>
              <span class="soft small"> {answerWords(each)}</span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );

  function answerWords(each: Precedent): string {
    if (each.verdict === null || each.answered_at === null) return "not answered";
    const at = time(each.answered_at, clock.now.peek());
    const by = who(each.answered_by, people);
    return each.verdict === "allow" ? ENGLISH.allowedAt(by, at) : ENGLISH.deniedAt(by, at);
  }
}

function precedentsHere({ view, story }: OpenTask, row: ApprovalRow): PrecedentList {
  const repository = view.state.peek()?.repository.url ?? "";
  const approvals = story.peek().rows.filter((each) => each.kind === "approval");
  return precedentsOf(row, { task: view.id, repository }, [
    { task: view.id, repository, approvals },
  ]);
}
