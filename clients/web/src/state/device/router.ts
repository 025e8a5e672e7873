// The address bar: which screen it names, and sheets that the Back gesture closes.
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Route, routeOf } from "../../model/routes.ts";

export type { Route } from "../../model/routes.ts";

export interface Router {
  readonly path: ReadonlySignal<Route>;
  go(path: string, options?: { readonly replace?: boolean }): void;
  back(): void;
  /** Go to the screen above this one: back in the history where it was just before, in place of this one otherwise. */
  up(path: string): void;
  /** Whether the person has gone anywhere since the page was loaded. */
  readonly hasMoved: () => boolean;
  /** Put a sheet on the screen: the back gesture calls `close`. Returns what takes it away. */
  openSheet(close: () => void): () => void;
}

interface OpenSheet {
  readonly close: () => void;
}

/** What an entry of the history keeps: the path of the one before it, in the app. */
interface Entry {
  readonly from?: string;
}

/** An entry of the history that was made for a sheet. */
interface SheetEntry {
  readonly isSheet: true;
}

export function createRouter(window: Window): Router {
  const { history, location } = window;
  const path = signal(routeOf(location.href));
  const sheets: OpenSheet[] = [];
  let stepsToPass = 0;
  let hasMoved = false;

  const read = () => {
    hasMoved = true;
    path.value = routeOf(location.href);
  };
  window.addEventListener("popstate", () => {
    if (stepsToPass > 0) {
      stepsToPass -= 1; // a sheet that was closed by its button took its entry away
      return;
    }
    const sheet = sheets.pop();
    if (sheet !== undefined) sheet.close();
    else read();
  });
  window.addEventListener("hashchange", read);

  function leaveSheets(): void {
    for (const sheet of sheets.splice(0).reverse()) sheet.close();
  }

  return {
    path,
    go(to, { replace = false } = {}) {
      const isOverSheet = isSheetEntry(history.state);
      leaveSheets();
      const entry: Entry = replace && !isOverSheet ? history.state : { from: location.pathname };
      if (replace || isOverSheet) history.replaceState(entry, "", to);
      else history.pushState(entry, "", to);
      read();
    },
    back() {
      if (history.length > 1 && !isFirst(window)) history.back();
      else this.go("/", { replace: true });
    },
    up(above) {
      const entry = history.state as Entry | null;
      if (entry?.from === above) history.back();
      else this.go(above, { replace: true });
    },
    hasMoved: () => hasMoved,
    openSheet(close) {
      const sheet: OpenSheet = { close };
      sheets.push(sheet);
      history.pushState({ isSheet: true } satisfies SheetEntry, "");
      return () => {
        const place = sheets.indexOf(sheet);
        if (place < 0) return; // Back has closed it already
        sheets.splice(place, 1);
        if (isSheetEntry(history.state)) {
          stepsToPass += 1;
          history.back();
        }
      };
    },
  };
}

function isSheetEntry(state: unknown): state is SheetEntry {
  return typeof state === "object" && state !== null && "isSheet" in state;
}

/** Whether the app was opened at this page: then Back would leave the app. */
function isFirst(window: Window): boolean {
  return window.performance.getEntriesByType("navigation").length > 0 && window.history.length <= 1;
}
