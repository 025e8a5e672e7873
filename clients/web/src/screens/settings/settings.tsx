// Settings: one page per matter, each with an address of its own.
import type { ComponentType } from "preact";
import { Icon, type IconName } from "../../parts/content/icon.tsx";
import { Link } from "../../parts/controls/link.tsx";
import { Freshness } from "../../parts/frame/freshness.tsx";
import { Empty } from "../../parts/frame/notice.tsx";
import { Screen } from "../../parts/frame/screen.tsx";
import { Tabs } from "../../parts/frame/tabs.tsx";
import { useApp } from "../../state/app.ts";
import { ApiKeys } from "./api_keys.tsx";
import { Appearance } from "./appearance.tsx";
import { Budgets } from "./budgets.tsx";
import { Devices } from "./devices.tsx";
import { Environments } from "./environments.tsx";
import { Forges } from "./forges.tsx";
import { Keys } from "./keys.tsx";
import { Members } from "./members.tsx";
import { Notifications } from "./notifications.tsx";
import { SignOut } from "./sign_out.tsx";
import { Templates } from "./templates.tsx";
import "./settings.css";

interface Page {
  path: string;
  name: string;
  about: string;
  icon: IconName;
  Content: ComponentType;
}

const PAGES: readonly Page[] = [
  {
    path: "notifications",
    name: "Notifications",
    about: "When a task needs you, and how they arrived",
    icon: "bell",
    Content: Notifications,
  },
  {
    path: "devices",
    name: "Devices",
    about: "Add one, sign one out",
    icon: "device",
    Content: Devices,
  },
  {
    path: "budgets",
    name: "Budgets",
    about: "What may be spent per day and month",
    icon: "wallet",
    Content: Budgets,
  },
  {
    path: "templates",
    name: "Templates and replies",
    about: "What you send again and again",
    icon: "document",
    Content: Templates,
  },
  {
    path: "environments",
    name: "Environments",
    about: "How repositories are set up, and what is kept",
    icon: "machine",
    Content: Environments,
  },
  {
    path: "forges",
    name: "GitHub and other forges",
    about: "Whose repositories may be worked on",
    icon: "branch",
    Content: Forges,
  },
  {
    path: "keys",
    name: "Your own keys",
    about: "For the model and the forge",
    icon: "key",
    Content: Keys,
  },
  { path: "api", name: "API keys", about: "For programs of yours", icon: "code", Content: ApiKeys },
  {
    path: "members",
    name: "Members",
    about: "Who shares this account",
    icon: "people",
    Content: Members,
  },
  {
    path: "look",
    name: "Appearance",
    about: "Light, dark, and how code is shown",
    icon: "spark",
    Content: Appearance,
  },
];

export function Settings({ page }: { page: string }) {
  const { router } = useApp();
  const shown = PAGES.find(({ path }) => path === page);
  if (shown === undefined) return <Index isUnknown={page !== ""} />;
  const { Content } = shown;
  return (
    <Screen
      title={shown.name}
      onBack={() => router.up("/settings")}
      tabs={<Freshness />}
      foot={<Tabs current="settings" />}
    >
      <Content />
    </Screen>
  );
}

function Index({ isUnknown }: { isUnknown: boolean }) {
  return (
    <Screen title="Settings" tabs={<Freshness />} foot={<Tabs current="settings" />}>
      {isUnknown && <Empty icon="question" title="There is no such page" />}
      <ul class="settings-index">
        {PAGES.map(({ path, name, about, icon }) => (
          <li key={path}>
            <Link to={`/settings/${path}`}>
              <Icon name={icon} />
              <span>
                <span>{name}</span>
                <span class="soft small">{about}</span>
              </span>
              <Icon name="next" size={18} />
            </Link>
          </li>
        ))}
      </ul>
      <SignOut />
    </Screen>
  );
}
