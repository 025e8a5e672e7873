// Notifications on this device: permission, the browser's subscription, and its address at the gateway.
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Api } from "../../line/api.ts";
import type { Device, PushKey } from "../../model/generated/api.gen.ts";

/**
 * "unsupported": this browser has no push (on an iPhone: outside the installed app); "blocked": the
 * person said no, and only the browser's settings can change that.
 */
export type PushState = "unknown" | "unsupported" | "off" | "blocked" | "on";

export interface Push {
  readonly state: ReadonlySignal<PushState>;
  /** The device as the gateway knows it; empty while it is off. */
  readonly device: ReadonlySignal<string>;
  /** Ask for permission and subscribe; to be called from a tap. Throws with a sentence. */
  turnOn(name: string): Promise<void>;
  turnOff(): Promise<void>;
  /** At every start: the browser may have changed the subscription without a word. */
  refresh(name: string): Promise<void>;
}

export function createPush(api: Api): Push {
  const state = signal<PushState>("unknown");
  const device = signal("");

  async function register(subscription: PushSubscription, name: string): Promise<void> {
    const { endpoint, keys } = subscription.toJSON();
    const address = { kind: "web", subscription: { endpoint, keys }, name };
    device.value = (await api.post<Device>("/v1/devices", address)).id;
    state.value = "on";
  }

  return {
    state,
    device,
    async turnOn(name) {
      const { pushManager } = await ready();
      if ((await Notification.requestPermission()) !== "granted") {
        state.value = "blocked";
        throw new Error(
          "This browser does not let Errand notify you. Allow notifications for this page in the browser’s settings.",
        );
      }
      const { vapid_public_key: key, kinds } = await api.get<PushKey>("/v1/push/key");
      if (!kinds.includes("web"))
        throw new Error("This server sends no notifications to browsers.");
      const subscription = await pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: key,
      });
      await register(subscription, name);
    },
    async turnOff() {
      const subscription = await (await ready()).pushManager.getSubscription();
      await subscription?.unsubscribe();
      if (device.value !== "") await api.delete(`/v1/devices/${device.value}`);
      device.value = "";
      state.value = "off";
    },
    async refresh(name) {
      state.value = stateHere();
      if (state.value !== "off") return;
      const subscription = await (await ready()).pushManager.getSubscription();
      if (subscription !== null) await register(subscription, name);
    },
  };
}

async function ready(): Promise<ServiceWorkerRegistration> {
  return navigator.serviceWorker.ready;
}

function stateHere(): PushState {
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
    return "unsupported";
  }
  return Notification.permission === "denied" ? "blocked" : "off";
}
