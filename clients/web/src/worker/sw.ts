// The service worker: keeps the app's own files so that it starts without a network, and shows pushes.
import { answer, fetchLine, type WholeAsk } from "./asks.ts";
import { type Push, readPush } from "./pushes.ts";

declare const self: ServiceWorkerGlobalScope;

const VERSION = "__VERSION__";
const FILES: string[] = JSON.parse("__FILES__");
const CACHE = `errand-${VERSION}`;
const SHARED = "shared-with-errand";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldCaches().then(() => self.clients.claim()));
});

// A new version waits until the person says so: what they are doing is not interrupted.
self.addEventListener("message", (event) => {
  if (event.data === "activate") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin || isOfTheGateway(url.pathname)) return;
  if (request.method === "POST" && url.pathname === "/share-target") {
    event.respondWith(takeShared(request));
  } else if (request.method === "GET") {
    event.respondWith(fromCache(request.mode === "navigate" ? "/" : url.pathname, request));
  }
});

/** The API, its documents and its health are never answered from here. */
function isOfTheGateway(path: string): boolean {
  return /^\/(v1|docs|health|metrics|broker)(\/|$)/.test(path);
}

async function fromCache(kept: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(kept)) ?? fetch(request);
}

async function removeOldCaches(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("errand-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** Keep what another app shared until the new-task screen takes it. */
async function takeShared(request: Request): Promise<Response> {
  const form = await request.formData();
  const texts = ["title", "text", "url"].map((name) => form.get(name));
  const text = texts.filter((part) => typeof part === "string" && part !== "").join("\n");
  const images = form.getAll("images").filter((part): part is File => part instanceof File);
  const cache = await caches.open(SHARED);
  await cache.put("/shared/text", new Response(text));
  await Promise.all(
    images.map((image, place) => cache.put(`/shared/image/${place}`, new Response(image))),
  );
  return Response.redirect("/new?shared=1", 303);
}

self.addEventListener("push", (event) => {
  event.waitUntil(show(readPush(event.data?.text() ?? "")));
});

/**
 * Show a push. One with the same tag is closed first, because not every browser replaces it. Something
 * is always shown: a browser ends the subscription of an app that shows nothing.
 */
async function show(push: Push): Promise<void> {
  const [line, old] = await Promise.all([
    fetchLine(push),
    self.registration.getNotifications({ tag: push.tag }),
  ]);
  for (const notification of old) notification.close();
  await self.registration.showNotification(line?.title || push.title, {
    ...looks(push),
    body: line?.text ?? push.body,
    data: { push, ask: line?.ask ?? null } satisfies Shown,
    ...(line?.ask ? { actions: ANSWERS } : {}),
  } as NotificationOptions);
  if (push.badge !== undefined && "setAppBadge" in self.navigator) {
    await self.navigator.setAppBadge(push.badge);
  }
}

/** What a notification carries. */
interface Shown {
  push: Push;
  ask: WholeAsk | null;
}

// Only where the browser has buttons: then they stand under the whole of what is asked.
const ANSWERS = [
  { action: "deny", title: "Deny" },
  { action: "allow", title: "Allow once" },
];

function looks(push: Push): NotificationOptions {
  const icon = "/icons/icon-192.png";
  return { tag: push.tag, silent: push.isSilent, icon, badge: icon };
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { push, ask } = event.notification.data as Shown;
  const isAnswer = event.action === "allow" || event.action === "deny";
  event.waitUntil(
    isAnswer && ask !== null
      ? answerFromCard(push, ask, event.action as "allow" | "deny")
      : openAt(push.path),
  );
});

async function answerFromCard(push: Push, ask: WholeAsk, verdict: "allow" | "deny"): Promise<void> {
  const body = await answer(push, ask, verdict);
  await self.registration.showNotification(ask.title, {
    ...looks(push),
    silent: true,
    body,
    data: { push, ask: null } satisfies Shown,
  });
}

/** Show a place of the app: in the window that is open, else in a new one. */
async function openAt(path: string): Promise<void> {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows[0];
  if (open === undefined) {
    await self.clients.openWindow(path);
    return;
  }
  open.postMessage({ kind: "open", path });
  await open.focus();
}

self.addEventListener("pushsubscriptionchange", (event) => {
  (event as ExtendableEvent).waitUntil(tellWindows({ kind: "subscribe" }));
});

async function tellWindows(message: object): Promise<void> {
  for (const window of await self.clients.matchAll({ type: "window" })) window.postMessage(message);
}
