// The service worker: keeps the app's own files so that it starts without a network, and shows pushes.

const VERSION = "__VERSION__";
const FILES: string[] = JSON.parse("__FILES__");
const CACHE = `errand-${VERSION}`;

export {};

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldCaches().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (isOfTheGateway(url.pathname)) return;
  const kept = event.request.mode === "navigate" ? "/" : url.pathname;
  event.respondWith(fromCache(kept, event.request));
});

self.addEventListener("message", (event) => {
  if (event.data === "activate") void self.skipWaiting();
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
