// The service worker of this page: registered, updated when the person agrees, and heard.
import type { Router } from "./router.ts";

interface Heard {
  readonly kind: "open" | "subscribe";
  readonly path?: string;
}

export interface ServiceWorkerEvents {
  readonly router: Router;
  /** A new version waits for the message to take over. */
  readonly onUpdate: (worker: ServiceWorker) => void;
  /** The browser changed the push subscription. */
  readonly onSubscribe: () => void;
}

/** Register the worker; a browser without one shows the app all the same. */
export async function startServiceWorker(events: ServiceWorkerEvents): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  serviceWorker.addEventListener("message", ({ data }: MessageEvent<Heard>) => {
    if (data.kind === "open" && data.path !== undefined) events.router.go(data.path);
    if (data.kind === "subscribe") events.onSubscribe();
  });
  const registration = await serviceWorker.register(trustedAddress("/sw.js") as string);
  reloadWhenReplaced(serviceWorker);
  if (registration.waiting !== null) events.onUpdate(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => {
      if (worker.state === "installed" && serviceWorker.controller !== null)
        events.onUpdate(worker);
    });
  });
}

/** Load the page again when another version takes over; the first worker of all changes nothing. */
function reloadWhenReplaced(serviceWorker: ServiceWorkerContainer): void {
  let before = serviceWorker.controller;
  serviceWorker.addEventListener("controllerchange", () => {
    if (before !== null) location.reload();
    before = serviceWorker.controller;
  });
}

interface TrustedTypePolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (address: string) => string },
  ): { createScriptURL(address: string): unknown };
}

/** The page's policy refuses addresses of scripts that no policy has made: this one makes one. */
function trustedAddress(address: string): unknown {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypePolicyFactory };
  if (trustedTypes === undefined) return address;
  const policy = trustedTypes.createPolicy("errand", {
    createScriptURL: (asked) => {
      if (asked !== address) throw new TypeError(`${asked} is no script of this app`);
      return asked;
    },
  });
  return policy.createScriptURL(address);
}
