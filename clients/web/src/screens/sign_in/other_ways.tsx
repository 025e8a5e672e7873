// Mail and GitHub, where the server offers them.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { messageOf } from "../../line/api.ts";
import type { AppSignInOffer, ServerInfo } from "../../model/generated/api.gen.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { useApp } from "../../state/app.ts";
import { InBrowser } from "./in_browser.tsx";
import { isInstalled } from "./install_first.tsx";

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
      said.value = messageOf(error);
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
        label="Or get a code by email"
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
        Send email
      </Button>
    </form>
  );
}

/**
 * In a browser GitHub comes back to this page. The installed app has a storage of its own, so there the
 * sign-in happens in the browser, and the app asks whether it is done.
 */
function GitHub() {
  const { api } = useApp();
  const failure = useSignal("");
  const begun = useSignal<AppSignInOffer | null>(null);
  const begin = async () => {
    await attempt(async () => {
      if (isInstalled()) {
        begun.value = await api.post<AppSignInOffer>("/v1/oauth/github/app");
      } else {
        const { url } = await api.post<{ url: string }>("/v1/oauth/github");
        location.assign(url);
      }
    }, failure);
  };
  return (
    <div class="sign-in-way">
      {begun.value === null ? (
        <Button icon="branch" onPress={() => void begin()}>
          Sign in with GitHub
        </Button>
      ) : (
        <InBrowser
          begun={begun.value}
          onFailed={(detail) => {
            begun.value = null;
            failure.value = detail;
          }}
        />
      )}
      {failure.value && <p class="field-error">{failure.value}</p>}
    </div>
  );
}
