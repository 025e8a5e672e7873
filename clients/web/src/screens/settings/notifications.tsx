// Notifications: on or off for this device, and what became of each that was sent.
import { useSignal } from "@preact/signals";
import { messageOf } from "../../line/api.ts";
import type { Device, DeviceList, PushPage } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { pushWords } from "../../model/words/push_words.ts";
import { ago } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

export function Notifications() {
  const { push } = useApp();
  const devices = useResource<DeviceList>("/v1/devices");
  return (
    <>
      <ThisDevice onChange={() => void devices.reload()} />
      <section class="settings-section">
        <h2>Devices that are notified</h2>
        <ResourceView of={devices}>
          {(list) =>
            list.data.length === 0 ? (
              <p class="soft">None yet.</p>
            ) : (
              <ul class="things">
                {list.data.map((device) => (
                  <Notified
                    key={device.id}
                    device={device}
                    isThis={device.id === push.device.value}
                  />
                ))}
              </ul>
            )
          }
        </ResourceView>
      </section>
    </>
  );
}

const SENTENCES = {
  unknown: "",
  unsupported:
    "This browser cannot be notified. On an iPhone, add Errand to the home screen first and open it there.",
  off: "Errand can notify you when a task needs you, ends or fails, also while the app is closed.",
  blocked:
    "Notifications are blocked for this page. Allow them in the browser’s settings, then open this page again.",
  on: "This device is notified when a task needs you, ends or fails.",
} as const;

function ThisDevice({ onChange }: { onChange: () => void }) {
  const { push } = useApp();
  const isBusy = useSignal(false);
  const state = push.state.value;
  const act = async (work: Promise<void>) => {
    isBusy.value = true;
    try {
      await work;
      onChange();
    } catch (error) {
      toast({ text: messageOf(error), isBad: true });
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <section class="settings-section">
      <h2>This device</h2>
      <p>{SENTENCES[state]}</p>
      {state === "off" && (
        <Button
          look="main"
          icon="bell"
          busy={isBusy.value}
          onPress={() => void act(push.turnOn(navigator.platform || "Browser"))}
        >
          Notify me on this device
        </Button>
      )}
      {state === "on" && (
        <Button busy={isBusy.value} onPress={() => void act(push.turnOff())}>
          Stop notifying this device
        </Button>
      )}
    </section>
  );
}

function Notified({ device, isThis }: { device: Device; isThis: boolean }) {
  const { api, clock } = useApp();
  const isOpen = useSignal(false);
  const test = async () => {
    await attempt(async () => {
      await api.post(`/v1/devices/${device.id}/test`);
      toast({ text: "A test notification is on its way." });
    });
  };
  return (
    <li class="notified">
      <span>
        <span>
          {plain(device.name) || "A device"}
          {isThis && " (this device)"}
        </span>
        <span class="soft small">
          {device.dead_at
            ? `Not reached any more: ${plain(device.dead_reason)}`
            : `Known since ${ago(device.created_at, clock.now.value)}`}
        </span>
      </span>
      <Button
        look="quiet"
        onPress={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        {isOpen.value ? "Less" : "History"}
      </Button>
      <Button look="quiet" onPress={() => void test()}>
        Test
      </Button>
      {isOpen.value && <Story device={device} />}
    </li>
  );
}

function Story({ device }: { device: Device }) {
  const { clock } = useApp();
  const pushes = useResource<PushPage>(`/v1/devices/${device.id}/pushes`);
  return (
    <div class="notified-story">
      <ResourceView of={pushes}>
        {(page) =>
          page.data.length === 0 ? (
            <p class="soft small">Nothing was sent yet.</p>
          ) : (
            <ul>
              {page.data.map((sent) => (
                <li key={sent.id} class="small">
                  {pushWords(sent)}{" "}
                  <span class="soft">{ago(sent.created_at, clock.now.value)}</span>
                </li>
              ))}
            </ul>
          )
        }
      </ResourceView>
    </div>
  );
}
