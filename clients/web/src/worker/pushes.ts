// A push message, read: the declarative JSON that the gateway sends to every browser.

/** What to show, and the place in the app that it opens. */
export interface Push {
  title: string;
  body: string;
  tag: string;
  path: string;
  task: string;
  /** The request it is about; empty where it is about none. */
  request: string;
  /** The version at which the request was asked; 0 where the push asks nothing. */
  askedAt: number;
  isSilent: boolean;
  badge: number | undefined;
}

const UNREADABLE: Push = {
  title: "Errand",
  body: "There is news. Open the app to see it.",
  tag: "errand",
  path: "/",
  task: "",
  request: "",
  askedAt: 0,
  isSilent: false,
  badge: undefined,
};

/** Read a push message. One that cannot be read still gives something true to show. */
export function readPush(text: string): Push {
  try {
    return fromDeclared(JSON.parse(text));
  } catch {
    return UNREADABLE;
  }
}

function fromDeclared(declared: unknown): Push {
  const message = asRecord(declared);
  const shown = asRecord(message.notification);
  const data = asRecord(shown.data ?? {});
  return {
    title: asText(shown.title, UNREADABLE.title),
    body: asText(shown.body, ""),
    tag: asText(shown.tag, UNREADABLE.tag),
    path: pathOf(asText(shown.navigate, "/")),
    task: asText(data.task, ""),
    request: asText(data.request, ""),
    askedAt: data.class === "needs_input" ? (asCount(data.version) ?? 0) : 0,
    isSilent: shown.silent === true,
    badge: asCount(message.app_badge ?? shown.app_badge),
  };
}

/** A place of this app only, whatever the message says. */
function pathOf(address: string): string {
  const url = new URL(address, "https://errand.invalid");
  if (!/^https?:$/.test(url.protocol)) return "/";
  const path = url.pathname.replace(/^\/{2,}/, "/"); // two slashes would begin another host
  return `${path}${url.search}${url.hash}`;
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  return value as Record<string, unknown>;
}

function asText(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function asCount(value: unknown): number | undefined {
  const count = typeof value === "string" ? Number(value) : value;
  return typeof count === "number" && Number.isInteger(count) && count >= 0 ? count : undefined;
}
