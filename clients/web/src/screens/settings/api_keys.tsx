// Keys for programs: each with a name and rights; its token is shown once.
import { useSignal } from "@preact/signals";
import type {
  ApiKeyInfo,
  CredentialScope,
  KeyPage,
  NewApiKey,
} from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { ago } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field, Switch } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import { RemovableList } from "./removable_list.tsx";

const SCOPES: readonly { scope: CredentialScope; name: string; help: string }[] = [
  { scope: "read", name: "Read", help: "See tasks and what they did." },
  { scope: "write", name: "Write", help: "Send tasks and instructions." },
  { scope: "approve", name: "Approve", help: "Answer what the agent asks to do." },
  { scope: "admin", name: "Administer", help: "Devices, keys, members and budgets." },
];

export function ApiKeys() {
  const { clock } = useApp();
  const keys = useResource<KeyPage>("/v1/keys");
  const made = useSignal<NewApiKey | null>(null);
  const describe = ({ name, last_four, scopes, used_at }: ApiKeyInfo) => {
    const used = used_at ? `used ${ago(used_at, clock.now.value)}` : "never used";
    return { name: plain(name), under: `…${plain(last_four)} · ${scopes.join(", ")} · ${used}` };
  };
  return (
    <>
      {made.value && (
        <div class="secret-once">
          <p>This is the only time that the key is shown. Copy it now.</p>
          <code>{made.value.token}</code>
        </div>
      )}
      <RemovableList of={keys} addressOf={({ key }) => `/v1/keys/${key}`} describe={describe} />
      <MakeKey
        onMade={(key) => {
          made.value = key;
          void keys.reload();
        }}
      />
    </>
  );
}

function MakeKey({ onMade }: { onMade: (key: NewApiKey) => void }) {
  const { api } = useApp();
  const name = useSignal("");
  const scopes = useSignal<readonly CredentialScope[]>(["read"]);
  const failure = useSignal("");
  const make = async () => {
    await attempt(async () => {
      onMade(await api.post<NewApiKey>("/v1/keys", { name: name.value, scopes: scopes.value }));
      name.value = "";
    }, failure);
  };
  return (
    <section class="settings-section">
      <h2>New key</h2>
      <Field
        label="Name"
        value={name.value}
        placeholder="What uses it"
        onInput={(typed) => {
          name.value = typed;
        }}
        {...(failure.value ? { error: failure.value } : {})}
      />
      {SCOPES.map(({ scope, name: label, help }) => (
        <Switch
          key={scope}
          label={label}
          help={help}
          on={scopes.value.includes(scope)}
          onChange={(on) => {
            scopes.value = on
              ? [...scopes.value, scope]
              : scopes.value.filter((one) => one !== scope);
          }}
        />
      ))}
      <Button
        disabled={name.value.trim() === "" || scopes.value.length === 0}
        onPress={() => void make()}
      >
        Create key
      </Button>
    </section>
  );
}
