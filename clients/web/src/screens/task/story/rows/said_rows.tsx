// What people and the agent said.
import type { Attachment } from "../../../../model/generated/events.gen.ts";
import { plain } from "../../../../model/plain.ts";
import type { AgentRow, PersonRow } from "../../../../model/story/rows.ts";
import { isMe, who } from "../../../../model/words/words.ts";
import { Icon } from "../../../../parts/content/icon.tsx";
import { Prose } from "../../../../parts/content/prose.tsx";
import { useStory } from "../story_context.ts";
import { StoryRow, Time } from "./story_row.tsx";
import { WholeContent } from "./whole_content.tsx";

export function PersonView({ row }: { row: PersonRow }) {
  const { people } = useStory();
  const isGone = row.withdrawn !== null;
  return (
    <StoryRow item={row} look="person">
      <div class={isGone ? "story-bubble withdrawn" : "story-bubble"}>
        <p class="wrap story-said">{plain(row.text)}</p>
        <Pictures attachments={row.attachments as readonly Attachment[]} />
      </div>
      <p class="story-under soft numbers">
        {!isMe(row.by, people) && <span>{who(row.by, people)}</span>}
        {row.mode === "queue" && (
          <span>
            <Icon name="queue" size={14} /> {row.takenUp > 0 ? "Was queued" : "Queued"}
          </span>
        )}
        {row.edited && <span>Edited</span>}
        {isGone && <span>Withdrawn</span>}
        <Time at={row.at} />
      </p>
    </StoryRow>
  );
}

function Pictures({ attachments }: { attachments: readonly Attachment[] }) {
  const { task } = useStory();
  if (attachments.length === 0) return null;
  return (
    <ul class="story-pictures">
      {attachments.map(({ id, name = "" }) => {
        const address = `/v1/tasks/${task.view.id}/attachments/${encodeURIComponent(id)}`;
        return (
          <li key={id}>
            <a href={address} target="_blank" rel="noopener">
              <img src={address} alt={plain(name) || "Picture"} loading="lazy" />
            </a>
          </li>
        );
      })}
    </ul>
  );
}

export function AgentView({ row }: { row: AgentRow }) {
  return (
    <StoryRow item={row} look="agent">
      <Prose text={row.text} />
      {row.blob && <WholeContent version={row.from} sizeBytes={row.blob.size_bytes} />}
    </StoryRow>
  );
}
