// The details of a task, and what can be done to it as a whole.
import type { ComponentChildren } from "preact";
import type { TaskState } from "../../../model/generated/api.gen.ts";
import { repositoryName } from "../../../model/inbox/inbox.ts";
import { plain } from "../../../model/plain.ts";
import { ENGLISH, number, spentOf, time } from "../../../model/words/words.ts";
import { Link } from "../../../parts/controls/link.tsx";
import { OutLink } from "../../../parts/controls/out_link.tsx";
import { Sheet } from "../../../parts/frame/sheet.tsx";
import { useApp } from "../../../state/app.ts";
import type { OpenTask } from "../use_task.ts";
import { HonestClock } from "./honest_clock.tsx";
import { TaskActs } from "./task_acts.tsx";
import "./details.css";

const POLICIES = {
  never: "Never asks before a call",
  risky: "Asks before risky calls",
  always: "Asks before every change",
} as const;

interface DetailsSheetProps {
  readonly task: OpenTask;
  readonly onClose: () => void;
}

export function DetailsSheet({ task, onClose }: DetailsSheetProps) {
  const state = task.view.state.value;
  if (state === null) return null;
  return (
    <Sheet title={plain(state.title)} onClose={onClose}>
      <div class="details">
        <HonestClock task={task} />
        <dl class="details-list">
          <Facts state={state} />
        </dl>
        <TaskActs task={task} state={state} onClose={onClose} />
      </div>
    </Sheet>
  );
}

function Facts({ state }: { state: TaskState }) {
  const { clock } = useApp();
  const { repository, pull_request: pullRequest } = state;
  const budget = state.budget?.cost_microusd ?? 0;
  return (
    <>
      <Fact name="Repository">
        <OutLink to={repository.url}>{repositoryName(repository.url)}</OutLink>
        {repository.base && ` · from ${plain(repository.base)}`}
      </Fact>
      {state.origin && (
        <Fact name="Forked from">
          <Link to={`/t/${state.origin.task}/past#v${state.origin.version}`}>
            {state.origin.task} at #{state.origin.version}
          </Link>
        </Fact>
      )}
      {state.branch !== "" && <Fact name="Branch">{plain(state.branch)}</Fact>}
      {pullRequest && (
        <Fact name="Pull request">
          <OutLink to={pullRequest.url}>#{pullRequest.number}</OutLink>
        </Fact>
      )}
      <Fact name="Model">{plain(state.model)}</Fact>
      {state.policy && <Fact name="Approvals">{POLICIES[state.policy]}</Fact>}
      <Fact name="Sent">{time(state.submitted_at, clock.now.value)}</Fact>
      <Fact name="Cost">
        {spentOf(state.cost_microusd, budget)}
        {state.machine_cost_microusd > 0 && `, ${spentOf(state.machine_cost_microusd, 0)} machines`}
      </Fact>
      <Fact name="Tokens">
        {number(state.input_tokens)} in, {number(state.output_tokens)} out
      </Fact>
      <Fact name="Work">
        {ENGLISH.count(state.turns, "model call")}, {ENGLISH.count(state.tool_calls, "tool call")},{" "}
        {ENGLISH.count(state.attempts, "machine")}
      </Fact>
      <Fact name="Task">{state.id}</Fact>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd class="wrap numbers">{children}</dd>
    </>
  );
}
