// Keys of the account for the model and the forge. A value is written here and never shown again.
import { useSignal } from "@preact/signals";
import type { SecretInfo, SecretList } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { ago } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import { RemovableList } from "./removable_list.tsx";

const PROVIDERS = [
  { value: "anthropic", name: "Model", help: "An Anthropic API key: you pay Anthropic directly." },
  { value: "forge", name: "Forge", help: "A GitHub or GitLab token that may push." },
] as const;

export function Keys() {
  const { clock } = useApp();
  const secrets = useResource<SecretList>("/v1/secrets");
  const describe = ({ provider, name, last4, created_at }: SecretInfo) => {
    const kind = provider === "anthropic" ? "Model" : "Forge";
    const end = last4 ? [`ends with ${plain(last4)}`] : [];
    const added = `added ${ago(created_at, clock.now.value)}`;
    return { name: plain(name) || kind, under: [kind, ...end, added].join(" · ") };
  };
  return (
    <>
      <RemovableList of={secrets} addressOf={({ id }) => `/v1/secrets/${id}`} describe={describe} />
      <NewSecret onKept={() => void secrets.reload()} />
    </>
  );
}

function NewSecret({ onKept }: { onKept: () => void }) {
  const { api } = useApp();
  const provider = useSignal<"anthropic" | "forge">("anthropic");
  const text = useSignal("");
  const failure = useSignal("");
  const keep = async () => {
    await attempt(async () => {
      await api.put("/v1/secrets", { provider: provider.value, text: text.value.trim() });
      text.value = "";
      onKept();
    }, failure);
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
