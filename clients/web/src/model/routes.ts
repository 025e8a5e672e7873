// Which screen an address names. Pure.

export type Route =
  | { readonly screen: "inbox" }
  | { readonly screen: "new" }
  | {
      readonly screen: "task";
      readonly task: string;
      /** The request to show first; empty for none. */
      readonly ask: string;
      /** The version to stand at; 0 for the first unseen. */
      readonly version: number;
    }
  | { readonly screen: "changes"; readonly task: string; readonly path: string }
  | { readonly screen: "plan"; readonly task: string }
  | { readonly screen: "past"; readonly task: string; readonly version: number }
  | { readonly screen: "costs" }
  | { readonly screen: "settings"; readonly page: string }
  | { readonly screen: "pair"; readonly code: string }
  | { readonly screen: "sign-in"; readonly page: string; readonly code: string }
  | { readonly screen: "shared"; readonly secret: string; readonly version: number }
  | { readonly screen: "unknown"; readonly path: string };

/** Read a path with its query and fragment, as the address bar has them. */
export function routeOf(address: string): Route {
  const url = new URL(address, "https://errand.invalid");
  const parts = url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decode);
  const [first = "", second = "", ...rest] = parts;
  const code = decode(url.hash.slice(1));
  switch (first) {
    case "":
      return { screen: "inbox" };
    case "new":
    case "costs":
      return parts.length === 1 ? { screen: first } : unknown(url);
    case "settings":
      return { screen: "settings", page: second };
    case "pair":
      return { screen: "pair", code };
    case "sign-in":
      return { screen: "sign-in", page: second, code };
    case "shared":
      return { screen: "shared", secret: second, version: versionOf(code) };
    case "t":
      return second === "" ? unknown(url) : taskRoute(url, second, rest);
    default:
      return unknown(url);
  }
}

function taskRoute(url: URL, task: string, [view = "", ...rest]: string[]): Route {
  const version = versionOf(url.hash.slice(1));
  switch (view) {
    case "":
      return { screen: "task", task, ask: url.searchParams.get("ask") ?? "", version };
    case "changes":
      return { screen: "changes", task, path: rest.join("/") };
    case "plan":
      return { screen: "plan", task };
    case "past":
      return { screen: "past", task, version };
    default:
      return unknown(url);
  }
}

function unknown(url: URL): Route {
  return { screen: "unknown", path: url.pathname };
}

function versionOf(fragment: string): number {
  const found = /^v([1-9]\d{0,14})$/.exec(fragment);
  return found === null ? 0 : Number(found[1]);
}

/** A part that is not well encoded stands for itself. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
