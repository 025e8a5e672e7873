// Mail and GitHub, where the server offers them.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ServerInfo } from "../../model/api.gen.ts";
import { Button } from "../../parts/button.tsx";
import { Field } from "../../parts/field.tsx";
import { useApp } from "../../state/app.ts";

export function OtherWays() {
  const { api } = useApp();
  const methods = useSignal<readonly string[]>([]);
  useEffect(() => {
    api.get<ServerInfo>("/v1/about").then(
      (about) => {
        methods.value = about.sign_in_methods;
      },
      () => {
        methods.value = []; // the line above the form says that there is no connection
      },
    );
  }, []);
  return (
    <>
      {methods.value.includes("mail") && <Mail />}
      {methods.value.includes("github") && <GitHub />}
    </>
  );
}

function Mail() {
  const { api } = useApp();
  const email = useSignal("");
  const said = useSignal("");
  const isBad = useSignal(false);
  const send = async () => {
    try {
      const answer = await api.post<{ detail: string }>("/v1/magic-links", { email: email.value });
      said.value = answer.detail;
      isBad.value = false;
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error);
      isBad.value = true;
    }
  };
  return (
    <form
      class="sign-in-way"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Field
        label="Or have a code mailed to you"
        kind="email"
        value={email.value}
        onInput={(typed) => {
          email.value = typed;
        }}
        placeholder="ada@example.org"
        autocomplete="email"
        {...(isBad.value ? { error: said.value } : { help: said.value })}
      />
      <Button disabled={email.value === ""} onPress={() => void send()}>
        Send the mail
      </Button>
    </form>
  );
}

function GitHub() {
  const { api } = useApp();
  const failure = useSignal("");
  const begin = async () => {
    try {
      const { url } = await api.post<{ url: string }>("/v1/oauth/github");
      location.assign(url);
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error);
    }
  };
  return (
    <div class="sign-in-way">
      <Button icon="branch" onPress={() => void begin()}>
        Sign in with GitHub
      </Button>
      {failure.value && <p class="field-error">{failure.value}</p>}
    </div>
  );
}
