// One task in the inbox: its title, who waits for whom, and what it has done and cost.
import { useSignal } from "@preact/signals";
import { type InboxItem, type Line, lineWords, repositoryName } from "../../model/inbox/inbox.ts";
import { plain } from "../../model/plain.ts";
import { spentOf, unbroken } from "../../model/words/words.ts";
import { Icon } from "../../parts/content/icon.tsx";
import { IconButton } from "../../parts/controls/button.tsx";
import { Link } from "../../parts/controls/link.tsx";
import { useApp } from "../../state/app.ts";
import { RowMenu } from "./row_menu.tsx";
import { SmallAsk } from "./small_ask.tsx";

export function TaskRow({ item, isCurrent }: { item: InboxItem; isCurrent: boolean }) {
  const { clock } = useApp();
  const { line, unread } = item;
  const isMenuOpen = useSignal(false);
  const ask = line.asks?.request ? `?ask=${encodeURIComponent(line.asks.request)}` : "";
  return (
    <li class={isCurrent ? "task-row current" : "task-row"}>
      <Link to={`/t/${line.task}${ask}`} class="task-row-link" isCurrent={isCurrent}>
        <span class="task-row-title">
          {unread > 0 && (
            <span class="task-row-new">
              <span class="unseen">New: </span>
            </span>
          )}
          {plain(line.title)}
        </span>
        <span class={`task-row-sentence ${tone(line)}`}>
          {unbroken(lineWords(line, { now: clock.now.value }))}
        </span>
        <Facts line={line} />
      </Link>
      <IconButton
        icon="more"
        label={`More about “${plain(line.title)}”`}
        onPress={() => {
          isMenuOpen.value = true;
        }}
      />
      {line.asks?.is_whole && <SmallAsk line={line} ask={line.asks} />}
      {isMenuOpen.value && (
        <RowMenu
          line={line}
          onClose={() => {
            isMenuOpen.value = false;
          }}
        />
      )}
    </li>
  );
}

function Facts({ line }: { line: Line }) {
  const money = spentOf(line.cost_microusd, line.budget_microusd ?? 0);
  return (
    <span class="task-row-facts soft small numbers">
      {line.repository && <span class="wrap">{repositoryName(line.repository)}</span>}
      {(line.files_changed ?? 0) > 0 && (
        <span>
          <span class="added">+{line.insertions ?? 0}</span>{" "}
          <span class="removed">−{line.deletions ?? 0}</span>
        </span>
      )}
      {line.pull_request && (
        <span>
          <Icon name="pull_request" size={14} label="Pull request" /> #{line.pull_request.number}
        </span>
      )}
      <span>{money}</span>
    </span>
  );
}

function tone(line: Line): "" | "attention" | "good" | "bad" {
  if (line.phase === "waiting" && line.waiting !== "provider") return "attention";
  if (line.phase === "finished") return "good";
  return line.phase === "failed" ? "bad" : "";
}
