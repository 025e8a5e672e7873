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
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

const SCOPES: readonly { scope: CredentialScope; name: string; help: string }[] = [
  { scope: "read", name: "Read", help: "See tasks and what they did." },
  { scope: "write", name: "Write", help: "Send tasks and instructions." },
  { scope: "approve", name: "Approve", help: "Answer what the agent asks to do." },
  { scope: "admin", name: "Administer", help: "Devices, keys, members and budgets." },
];

export function ApiKeys() {
  const { api } = useApp();
  const keys = useResource<KeyPage>("/v1/keys");
  const made = useSignal<NewApiKey | null>(null);
  const remove = async (key: ApiKeyInfo) => {
    try {
      await api.delete(`/v1/keys/${key.key}`);
      await keys.reload();
    } catch (error) {
      toast({ text: error instanceof Error ? error.message : String(error), isBad: true });
    }
  };
  return (
    <>
      {made.value && (
        <div class="secret-once">
          <p>This is the only time that the key is shown. Copy it now.</p>
          <code>{made.value.token}</code>
        </div>
      )}
      <ResourceView of={keys}>
        {(page) => (
          <ul class="things">
            {page.data.map((key) => (
              <Key key={key.key} apiKey={key} onRemove={() => void remove(key)} />
            ))}
          </ul>
        )}
      </ResourceView>
      <MakeKey
        onMade={(key) => {
          made.value = key;
          void keys.reload();
        }}
      />
    </>
  );
}

function Key({ apiKey, onRemove }: { apiKey: ApiKeyInfo; onRemove: () => void }) {
  const { clock } = useApp();
  const used = apiKey.used_at ? `used ${ago(apiKey.used_at, clock.now.value)}` : "never used";
  return (
    <li>
      <span>
        <span>{plain(apiKey.name)}</span>
        <span class="soft small">
          …{plain(apiKey.last_four)} · {apiKey.scopes.join(", ")} · {used}
        </span>
      </span>
      <Button look="quiet" onPress={onRemove}>
        Remove
      </Button>
    </li>
  );
}

function MakeKey({ onMade }: { onMade: (key: NewApiKey) => void }) {
  const { api } = useApp();
  const name = useSignal("");
  const scopes = useSignal<readonly CredentialScope[]>(["read"]);
  const failure = useSignal("");
  const make = async () => {
    try {
      onMade(await api.post<NewApiKey>("/v1/keys", { name: name.value, scopes: scopes.value }));
      name.value = "";
      failure.value = "";
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error);
    }
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
