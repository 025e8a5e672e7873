// What happened around the work: plans, machines, the model provider, stops.

import { plain } from "../../../../model/plain.ts";
import type {
  MachineRow,
  NoteRow,
  PlanRow,
  ProviderRow,
  RaiseRow,
  SummaryRow,
} from "../../../../model/story/rows.ts";
import {
  ENGLISH,
  machineLine,
  money,
  planLine,
  providerLine,
  summaryLine,
  time,
  who,
} from "../../../../model/words/words.ts";
import { Icon } from "../../../../parts/content/icon.tsx";
import { Prose } from "../../../../parts/content/prose.tsx";
import { useApp } from "../../../../state/app.ts";
import { PlanMark } from "../../plan_items.tsx";
import { useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

export function PlanView({ row }: { row: PlanRow }) {
  const { router } = useApp();
  const { task } = useStory();
  return (
    <StoryRow item={row}>
      <StoryLine icon="plan" onPress={() => router.go(`/t/${task.view.id}/plan`)}>
        {planLine(row)}
      </StoryLine>
      <ul class="story-plan">
        {row.changes.map((change) => (
          <li key={change.text} class={change.now === "" ? "gone" : change.now}>
            <PlanMark state={change.now} size={16} />
            <span class="wrap">{plain(change.text)}</span>
          </li>
        ))}
      </ul>
    </StoryRow>
  );
}

/** A machine's death stands where it happened, with what it cost, and nothing spins. */
export function MachineView({ row }: { row: MachineRow }) {
  const { clock } = useApp();
  const moment = { now: clock.now.peek() };
  if (row.loss === null) {
    return (
      <StoryRow item={row} look="quiet">
        <StoryLine icon="machine" at={row.at}>
          {machineLine(row, moment)}
        </StoryLine>
      </StoryRow>
    );
  }
  return (
    <StoryRow item={row} look="loss">
      <StoryLine icon="machine" at={row.loss.at}>
        {machineLine(row, moment)}
      </StoryLine>
      {row.loss.inFlight.length > 0 && (
        <ul class="story-lost">
          {row.loss.inFlight.map((title) => (
            <li key={title}>
              <s class="wrap">{plain(title)}</s>
            </li>
          ))}
        </ul>
      )}
    </StoryRow>
  );
}

export function ProviderView({ row }: { row: ProviderRow }) {
  const { clock } = useApp();
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon="clock" at={row.at} tone={row.resumed > 0 ? "" : "attention"}>
        {providerLine(row, { now: clock.now.peek() })}
      </StoryLine>
    </StoryRow>
  );
}

/** From here on the agent reads a summary: what it says can be read here too. */
export function SummaryView({ row }: { row: SummaryRow }) {
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon="history" at={row.at}>
        {summaryLine(row)}
      </StoryLine>
      <details class="story-summary">
        <summary>{ENGLISH.theSummary}</summary>
        <Prose text={row.text} />
      </details>
    </StoryRow>
  );
}

export function NoteView({ row }: { row: NoteRow }) {
  const { people } = useStory();
  const by = who(row.by, people);
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon={row.kind === "stopped" ? "stop" : "archive"} at={row.at}>
        {row.kind === "stopped" ? ENGLISH.stoppedBy(by) : ENGLISH.archivedBy(by)}
      </StoryLine>
    </StoryRow>
  );
}

export function RaiseView({ row }: { row: RaiseRow }) {
  const { people } = useStory();
  const { clock } = useApp();
  const at = time(row.at, clock.now.peek());
  return (
    <StoryRow item={row} look="quiet">
      <StoryLine icon="wallet">
        {ENGLISH.raised(who(row.by, people), money(row.costMicrousd), at)}
      </StoryLine>
    </StoryRow>
  );
}

/** Where what nobody has seen begins. */
export function Divider() {
  return (
    <div class="story-divider">
      <Icon name="down" size={16} />
      <span>New from here</span>
    </div>
  );
}
