// The list of tasks: what waits for the person first, then what works, what is new, and the rest.
import { signal } from "@preact/signals";
import { IconButton } from "../../parts/controls/button.tsx";
import { Link } from "../../parts/controls/link.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { Empty, Loading } from "../../parts/frame/notice.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { Tabs } from "../../parts/frame/tabs.tsx";
import { useApp } from "../../state/app.ts";
import { NightsSum } from "./nights_sum.tsx";
import { Pending } from "./pending.tsx";
import { Search } from "./search.tsx";
import { Sections } from "./sections.tsx";
import "./inbox.css";

const isSearching = signal(false);

export function Inbox({ current }: { current: string }) {
  const app = useApp();
  const isOnList = app.router.path.value.screen === "inbox";
  const search = (
    <IconButton
      icon={isSearching.value ? "close" : "search"}
      label={isSearching.value ? "Close the search" : "Search tasks"}
      onPress={() => {
        isSearching.value = !isSearching.value;
      }}
    />
  );
  return (
    <Screen
      title="Tasks"
      actions={search}
      tabs={<Freshness />}
      foot={<Tabs current={isOnList ? "inbox" : tabOf(app.router.path.value.screen)} />}
    >
      {isSearching.value ? <Search current={current} /> : <List current={current} />}
    </Screen>
  );
}

function tabOf(screen: string) {
  if (screen === "new" || screen === "costs" || screen === "settings") return screen;
  return "";
}

function List({ current }: { current: string }) {
  const { commands, inbox } = useApp();
  const hasPending = commands.receipts.value.size > 0;
  if (inbox.lines.value.length > 0 || hasPending) {
    return (
      <>
        <NightsSum />
        <Pending />
        <Sections current={current} />
      </>
    );
  }
  if (!inbox.isLoaded.value) return <Loading rows={5} />;
  return (
    <Empty icon="inbox" title="No tasks yet">
      <p>Describe some work, choose a repository, and a coding agent begins at once.</p>
      <Link to="/new" class="button main inbox-first">
        New task
      </Link>
    </Empty>
  );
}
