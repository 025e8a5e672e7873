// Which screen is shown: the address decides. On a wide screen the list stays beside the task.

import { Link } from "../parts/controls/link.tsx";
import { Announcer } from "../parts/frame/announcer.tsx";
import { lazy } from "../parts/frame/lazy.tsx";
import { Empty, Loading } from "../parts/frame/notice.tsx";
import { Toasts } from "../parts/frame/toast.tsx";
import { UpdateBar } from "../parts/frame/update_bar.tsx";
import { useApp } from "../state/app.ts";
import type { Route } from "../state/device/router.ts";
import { Inbox } from "./inbox/inbox.tsx";
import { usePageSigns } from "./page_signs.ts";
import { useReturnToRow } from "./return_to_row.ts";
import "./app.css";

const loadTask = () => import("./task/task.tsx").then((module) => module.Task);
const Task = lazy(loadTask);
const Plan = lazy(() => import("./task/plan.tsx").then((module) => module.Plan));
const Changes = lazy(() => import("./changes/changes.tsx").then((module) => module.Changes));
const Past = lazy(() => import("./past/past.tsx").then((module) => module.Past));
const NewTask = lazy(() => import("./new/new_task.tsx").then((module) => module.NewTask));
const Costs = lazy(() => import("./costs/costs.tsx").then((module) => module.Costs));
const Settings = lazy(() => import("./settings/settings.tsx").then((module) => module.Settings));
const SignIn = lazy(() => import("./sign_in/sign_in.tsx").then((module) => module.SignIn));
const Shared = lazy(() => import("./shared/shared.tsx").then((module) => module.Shared));

/** Have the code of the first screen on its way while the app is still being built. */
export function preload(path: string): void {
  if (/^\/t\/[^/]+$/.test(path)) loadTask().catch(() => {}); // it is loaded again when it is shown
}

export function Root() {
  const app = useApp();
  usePageSigns(app);
  return (
    <>
      <UpdateBar />
      <Content route={app.router.path.value} />
      <Toasts />
      <Announcer />
    </>
  );
}

function Content({ route }: { route: Route }) {
  const me = useApp().session.me.value;
  if (route.screen === "shared") return <Shared secret={route.secret} version={route.version} />;
  if (me === undefined) return <Loading />;
  if (me === null || isSignIn(route)) return <SignIn />;
  return <Panes route={route} />;
}

function Panes({ route }: { route: Route }) {
  const list = useReturnToRow(route.screen);
  return (
    <div class={route.screen === "inbox" ? "panes on-list" : "panes on-detail"}>
      {route.screen !== "inbox" && <SkipLink />}
      <div class="pane-list" ref={list}>
        <Inbox current={"task" in route ? route.task : ""} />
      </div>
      <div class="pane-detail" id="detail">
        <Detail route={route} />
      </div>
    </div>
  );
}

/** Where the list stands beside the task: the first thing that the keyboard comes to. */
function SkipLink() {
  return (
    // biome-ignore lint/a11y/useValidAnchor: it moves the focus, and the address is the screen's
    <a
      class="skip-link"
      href="#detail"
      onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>("#detail h1")?.focus();
      }}
    >
      Skip the list
    </a>
  );
}

function isSignIn(route: Route): boolean {
  return route.screen === "pair" || route.screen === "sign-in";
}

function Detail({ route }: { route: Route }) {
  switch (route.screen) {
    case "task":
      return <Task key={route.task} task={route.task} ask={route.ask} version={route.version} />;
    case "plan":
      return <Plan key={route.task} task={route.task} />;
    case "changes":
      return <Changes key={route.task} task={route.task} path={route.path} />;
    case "past":
      return <Past key={route.task} task={route.task} version={route.version} />;
    case "new":
      return <NewTask />;
    case "costs":
      return <Costs />;
    case "settings":
      return <Settings page={route.page} />;
    case "inbox":
      return <Empty icon="inbox" title="Choose a task" />;
    default:
      return (
        <Empty icon="question" title="There is no such page">
          <p>The address may be from a newer version of the app.</p>
          <Link to="/" class="button plain">
            Go to your tasks
          </Link>
        </Empty>
      );
  }
}
