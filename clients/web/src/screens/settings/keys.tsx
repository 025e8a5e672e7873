// Keys of the account for the model and the forge. A value is written here and never shown again.
import { useSignal } from "@preact/signals";
import type { SecretInfo, SecretList } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { ago } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Field } from "../../parts/controls/field.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

const PROVIDERS = [
  { value: "anthropic", name: "Model", help: "An Anthropic API key: you pay Anthropic directly." },
  { value: "forge", name: "Forge", help: "A GitHub or GitLab token that may push." },
] as const;

export function Keys() {
  const { api } = useApp();
  const secrets = useResource<SecretList>("/v1/secrets");
  const remove = async (secret: SecretInfo) => {
    try {
      await api.delete(`/v1/secrets/${secret.id}`);
      await secrets.reload();
    } catch (error) {
      toast({ text: error instanceof Error ? error.message : String(error), isBad: true });
    }
  };
  return (
    <>
      <ResourceView of={secrets}>
        {(list) => (
          <ul class="things">
            {list.data.map((secret) => (
              <Secret key={secret.id} secret={secret} onRemove={() => void remove(secret)} />
            ))}
          </ul>
        )}
      </ResourceView>
      <NewSecret onKept={() => void secrets.reload()} />
    </>
  );
}

function Secret({ secret, onRemove }: { secret: SecretInfo; onRemove: () => void }) {
  const { clock } = useApp();
  const kind = secret.provider === "anthropic" ? "Model" : "Forge";
  return (
    <li>
      <span>
        <span>{plain(secret.name) || kind}</span>
        <span class="soft small">
          {kind}
          {secret.last4 && ` · ends with ${plain(secret.last4)}`} · added{" "}
          {ago(secret.created_at, clock.now.value)}
        </span>
      </span>
      <Button look="quiet" onPress={onRemove}>
        Remove
      </Button>
    </li>
  );
}

function NewSecret({ onKept }: { onKept: () => void }) {
  const { api } = useApp();
  const provider = useSignal<"anthropic" | "forge">("anthropic");
  const text = useSignal("");
  const failure = useSignal("");
  const keep = async () => {
    try {
      await api.put("/v1/secrets", { provider: provider.value, text: text.value.trim() });
      text.value = "";
      failure.value = "";
      onKept();
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error);
    }
  };
  return (
    <section class="settings-section">
      <h2>Add a key</h2>
      <Choice
        label="What it is for"
        value={provider.value}
        options={PROVIDERS}
        onChange={(chosen) => {
          provider.value = chosen;
        }}
      />
      <Field
        label="Key"
        kind="password"
        value={text.value}
        onInput={(typed) => {
          text.value = typed;
        }}
        {...(failure.value ? { error: failure.value } : {})}
      />
      <Button look="main" disabled={text.value.trim() === ""} onPress={() => void keep()}>
        Save key
      </Button>
    </section>
  );
}
