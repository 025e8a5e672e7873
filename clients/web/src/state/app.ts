// The app's state: built once in main.tsx, reached by every screen with `useApp()`.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "../line/api.ts";
import type { Commands } from "./commands.ts";
import type { Connection } from "./connection.ts";
import type { Clock } from "./device/clock.ts";
import type { Drafts } from "./device/drafts.ts";
import type { Preferences } from "./device/preferences.ts";
import type { Push } from "./device/push.ts";
import type { Router } from "./device/router.ts";
import type { Inbox } from "./inbox.ts";
import type { Session } from "./session.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { Templates } from "./templates.ts";

export interface App {
  readonly session: Session;
  readonly connection: Connection;
  readonly inbox: Inbox;
  readonly tasks: Tasks;
  readonly commands: Commands;
  readonly drafts: Drafts;
  readonly clock: Clock;
  readonly api: Api;
  readonly router: Router;
  readonly preferences: Preferences;
  readonly push: Push;
  readonly templates: Templates;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error("useApp() is used outside <AppContext.Provider>.");
  return app;
}
