// The places of the app, at the bottom edge where a thumb is; on a wide screen below the list.
import { Icon, type IconName } from "../content/icon.tsx";
import { Link } from "../controls/link.tsx";
import "./tabs.css";

export type Tab = "inbox" | "new" | "costs" | "settings";

const TABS: readonly { tab: Tab; name: string; path: string; icon: IconName }[] = [
  { tab: "inbox", name: "Tasks", path: "/", icon: "inbox" },
  { tab: "new", name: "New task", path: "/new", icon: "plus" },
  { tab: "costs", name: "Costs", path: "/costs", icon: "chart" },
  { tab: "settings", name: "Settings", path: "/settings", icon: "gear" },
];

export function Tabs({ current }: { current: Tab | "" }) {
  return (
    <nav class="tabs" aria-label="Places">
      {TABS.map(({ tab, name, path, icon }) => (
        <Link key={tab} to={path} isCurrent={tab === current}>
          <Icon name={icon} />
          <span>{name}</span>
        </Link>
      ))}
    </nav>
  );
}
