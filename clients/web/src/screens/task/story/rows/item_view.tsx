// One item of the story, by its kind. It is drawn again only when the item itself has changed.
import { Component } from "preact";
import type { StoryItem } from "../../../../model/story/rows.ts";
import { ApprovalView, BudgetView, QuestionView } from "./ask_rows.tsx";
import { AllowedView, DeniedView } from "./egress_rows.tsx";
import {
  Divider,
  MachineView,
  NoteView,
  PlanView,
  ProviderView,
  RaiseView,
  SummaryView,
} from "./event_rows.tsx";
import { ArtifactView, DeliveryView, EndView } from "./outcome_rows.tsx";
import { AgentView, PersonView } from "./said_rows.tsx";
import { SetupView } from "./setup_row.tsx";
import { ToolsView } from "./tool_rows.tsx";
import { TurnView } from "./turn_row.tsx";

interface ItemViewProps {
  readonly item: StoryItem;
}

export class ItemView extends Component<ItemViewProps> {
  override shouldComponentUpdate(next: ItemViewProps): boolean {
    return next.item !== this.props.item;
  }

  override render() {
    return viewOf(this.props.item);
  }
}

function viewOf(item: StoryItem) {
  switch (item.kind) {
    case "person":
      return <PersonView row={item} />;
    case "agent":
      return <AgentView row={item} />;
    case "tools":
      return <ToolsView row={item} />;
    case "setup":
      return <SetupView row={item} />;
    case "plan":
      return <PlanView row={item} />;
    case "question":
      return <QuestionView row={item} />;
    case "approval":
      return <ApprovalView row={item} />;
    case "budget":
      return <BudgetView row={item} />;
    case "raise":
      return <RaiseView row={item} />;
    case "denied":
      return <DeniedView row={item} />;
    case "allowed":
      return <AllowedView row={item} />;
    case "machine":
      return <MachineView row={item} />;
    case "provider":
      return <ProviderView row={item} />;
    case "summary":
      return <SummaryView row={item} />;
    case "stopped":
    case "archived":
      return <NoteView row={item} />;
    case "artifact":
      return <ArtifactView row={item} />;
    case "delivery":
      return <DeliveryView row={item} />;
    case "end":
      return <EndView row={item} />;
    case "turn":
      return <TurnView item={item} />;
    case "divider":
      return <Divider />;
  }
}
