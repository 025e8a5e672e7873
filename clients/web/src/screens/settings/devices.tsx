// The devices that are signed in, and a code for one more.
import { useSignal } from "@preact/signals";
import type { PairingOffer, SessionInfo, SessionPage } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { ago } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

export function Devices() {
  const { api } = useApp();
  const sessions = useResource<SessionPage>("/v1/sessions");
  const end = async (path: string) => {
    await attempt(async () => {
      await api.delete(path);
      await sessions.reload();
    });
  };
  return (
    <>
      <AddDevice />
      <section class="settings-section">
        <h2>Signed in</h2>
        <ResourceView of={sessions}>
          {(page) => (
            <>
              <ul class="things">
                {page.data.map((one) => (
                  <Session
                    key={one.session}
                    session={one}
                    onEnd={() => void end(`/v1/sessions/${one.session}`)}
                  />
                ))}
              </ul>
              {page.data.length > 1 && (
                <Button look="bad" onPress={() => void end("/v1/sessions")}>
                  Sign out all other devices
                </Button>
              )}
            </>
          )}
        </ResourceView>
      </section>
    </>
  );
}

function Session({ session, onEnd }: { session: SessionInfo; onEnd: () => void }) {
  const { clock } = useApp();
  return (
    <li>
      <span>
        <span>{plain(session.device) || "A device"}</span>
        <span class="soft small">
          {session.is_current
            ? "This device"
            : [platform(session.platform), `seen ${ago(session.seen_at, clock.now.value)}`]
                .filter((part) => part !== "")
                .join(" · ")}
        </span>
      </span>
      {!session.is_current && (
        <Button look="quiet" onPress={onEnd}>
          Sign out
        </Button>
      )}
    </li>
  );
}

const PLATFORMS: Readonly<Record<string, string>> = {
  android: "Android",
  cli: "Terminal",
  ios: "iOS",
  web: "Browser",
};

function platform(named: string): string {
  return PLATFORMS[named.toLowerCase()] ?? plain(named);
}

function AddDevice() {
  const { api } = useApp();
  const offer = useSignal<PairingOffer | null>(null);
  const failure = useSignal("");
  const make = async () => {
    await attempt(async () => {
      offer.value = await api.post<PairingOffer>("/v1/pairings", {});
    }, failure);
  };
  return (
    <section class="settings-section">
      {offer.value === null ? (
        <Button icon="plus" onPress={() => void make()}>
          Add a device
        </Button>
      ) : (
        <div class="secret-once">
          <p>
            Open Errand on the other device and type this code. It works once, within ten minutes.
          </p>
          <code class="code-big">{offer.value.code}</code>
          <code>{offer.value.url}</code>
        </div>
      )}
      {failure.value && <p class="field-error">{failure.value}</p>}
    </section>
  );
}
