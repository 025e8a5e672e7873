// Which screen the address names.
import type { ReadonlySignal } from "@preact/signals";

export type Route =
  | { readonly screen: "inbox" }
  | { readonly screen: "new" }
  | {
      readonly screen: "task";
      readonly task: string;
      readonly ask: string;
      readonly version: number;
    }
  | { readonly screen: "changes"; readonly task: string; readonly path: string }
  | { readonly screen: "plan"; readonly task: string }
  | { readonly screen: "past"; readonly task: string; readonly version: number }
  | { readonly screen: "costs" }
  | { readonly screen: "settings"; readonly page: string }
  | { readonly screen: "pair"; readonly code: string }
  | { readonly screen: "sign-in"; readonly page: string; readonly code: string }
  | { readonly screen: "shared"; readonly secret: string }
  | { readonly screen: "unknown"; readonly path: string };

export interface Router {
  readonly path: ReadonlySignal<Route>;
  go(path: string, options?: { readonly replace?: boolean }): void;
  back(): void;
  /** Put a sheet on the screen: the back gesture calls `close`. Returns what takes it away. */
  openSheet(close: () => void): () => void;
}
