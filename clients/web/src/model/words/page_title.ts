// What the browser's tab and history call a screen. Pure.
import type { Route } from "../routes.ts";

const APP = "Errand";
const SCREENS: Readonly<Record<string, string>> = {
  inbox: "Tasks",
  new: "New task",
  costs: "Costs",
  settings: "Settings",
  pair: "Sign in",
  "sign-in": "Sign in",
  shared: "Shared task",
  unknown: "No such page",
};
const PARTS: Readonly<Record<string, string>> = {
  changes: "Changes",
  plan: "Plan",
  past: "History",
};

/** `(2) Fix the tests · Changes · Errand`: what waits for the person, what it is, and whose tab it is. */
export function pageTitle(route: Route, task: string, waiting: number): string {
  const names =
    "task" in route
      ? [task === "" ? "Task" : task, PARTS[route.screen] ?? ""]
      : [SCREENS[route.screen] ?? ""];
  const title = [...names, APP].filter((name) => name !== "").join(" · ");
  return waiting > 0 ? `(${waiting}) ${title}` : title;
}
