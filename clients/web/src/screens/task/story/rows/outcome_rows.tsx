// What came of the work: the branch, the pull request, artifacts, and how the task ended.
import { plain } from "../../../../model/plain.ts";
import type { ArtifactRow, DeliveryRow, EndRow } from "../../../../model/story/rows.ts";
import { ENGLISH, endLine, size } from "../../../../model/words/words.ts";
import { Icon, type IconName } from "../../../../parts/content/icon.tsx";
import { Prose } from "../../../../parts/content/prose.tsx";
import { OutLink } from "../../../../parts/controls/out_link.tsx";
import { HonestClock } from "../../details/honest_clock.tsx";
import { useStory } from "../story_context.ts";
import { StoryLine, StoryRow } from "./story_row.tsx";

export function DeliveryView({ row }: { row: DeliveryRow }) {
  return (
    <StoryRow item={row}>
      {row.branch !== "" && (
        <StoryLine icon="branch" at={row.at}>
          <span class="wrap">{plain(ENGLISH.pushed(row.branch))}</span>{" "}
          <code>{row.commit.slice(0, 8)}</code>
        </StoryLine>
      )}
      {row.pullRequest && (
        <OutLink to={row.pullRequest.url} class="story-line link">
          <Icon name="pull_request" size={18} />
          <span class="story-line-text wrap">
            {plain(ENGLISH.opened(row.pullRequest.number, row.pullRequest.title))}
          </span>
          <Icon name="next" size={16} />
        </OutLink>
      )}
    </StoryRow>
  );
}

export function ArtifactView({ row }: { row: ArtifactRow }) {
  const { task } = useStory();
  const path = `/v1/tasks/${task.view.id}/artifacts/${encodeURIComponent(row.name)}`;
  return (
    <StoryRow item={row}>
      <a class="story-line link" href={path} download={row.name}>
        <Icon name="document" size={18} />
        <span class="story-line-text wrap">{plain(row.name)}</span>
        <span class="story-time numbers">{size(row.sizeBytes)}</span>
      </a>
    </StoryRow>
  );
}

const ICONS: Readonly<Record<EndRow["ending"], IconName>> = {
  finished: "check",
  failed: "alert",
  abandoned: "alert",
  cancelled: "close",
  erased: "trash",
};

const TONES: Readonly<Record<EndRow["ending"], string>> = {
  finished: "good",
  failed: "bad",
  abandoned: "bad",
  cancelled: "",
  erased: "",
};

/** The end: what was done, what it cost in time, and the pull request. More is said in the composer. */
export function EndView({ row }: { row: EndRow }) {
  const { people, task } = useStory();
  const pullRequest = task.view.state.value?.pull_request;
  return (
    <StoryRow item={row} look={`end ${TONES[row.ending]}`}>
      <h2 class="story-end-title">
        <Icon name={ICONS[row.ending]} size={22} />
        <span class="wrap">{plain(endLine(row, people))}</span>
      </h2>
      {row.summary !== "" && <Prose text={row.summary} />}
      {row.detail !== "" && <p class="wrap">{plain(row.detail)}</p>}
      {row.remedy !== "" && <p class="wrap soft">{plain(row.remedy)}</p>}
      <HonestClock task={task} until={row.from} />
      {row.ending === "finished" && pullRequest && (
        <div class="story-end-steps">
          <OutLink to={pullRequest.url} class="button main">
            <Icon name="pull_request" size={20} /> Open pull request #{pullRequest.number}
          </OutLink>
        </div>
      )}
    </StoryRow>
  );
}
