// Signing in: with a code from another device, by mail, or with GitHub.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { messageOf } from "../../line/api.ts";
import { isLink, isWhole, spellCode } from "../../model/sign_in.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { useApp } from "../../state/app.ts";
import { Confirmation } from "./confirmation.tsx";
import { InstallFirst, isToInstallFirst } from "./install_first.tsx";
import { OtherWays } from "./other_ways.tsx";
import "./sign_in.css";

export function SignIn() {
  const { router, session } = useApp();
  const route = router.path.value;
  const isConfirmation = route.screen === "sign-in" && route.page === "github";
  const given = route.screen === "pair" || route.screen === "sign-in" ? route.code : "";
  const confirmation = useRef(given);
  const code = useSignal(isLink(given) ? given : spellCode(given));
  const failure = useSignal("");
  const isBusy = useSignal(false);
  const isReady = useComputed(() => isLink(code.value) || isWhole(code.value));
  useEffect(() => {
    // A code in the address is used once: it does not stay in the history.
    if (given !== "") history.replaceState(null, "", location.pathname);
  }, []);

  const signIn = async () => {
    isBusy.value = true;
    failure.value = "";
    try {
      await session.signIn(code.value);
      router.go("/", { replace: true });
    } catch (error) {
      failure.value = messageOf(error);
    } finally {
      isBusy.value = false;
    }
  };

  if (isConfirmation) return <Confirmation secret={confirmation.current} />;
  return (
    <main class="sign-in">
      <img src="/icons/icon.svg" alt="" width="64" height="64" />
      <h1>Errand</h1>
      <p class="soft">Send a coding agent to work, and see every step.</p>
      {isToInstallFirst() && given !== "" && <InstallFirst code={code.value} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady.value) void signIn();
        }}
      >
        {isLink(code.value) ? (
          <p>You opened a link that signs you in on this device.</p>
        ) : (
          <Field
            label="Code from another device or an email"
            value={code.value}
            onInput={(typed) => {
              code.value = spellCode(typed);
              failure.value = "";
            }}
            placeholder="XXXX-XXXX"
            autocomplete="one-time-code"
            capitalize="characters"
            isCode
          />
        )}
        {failure.value && (
          <p class="field-error" role="alert">
            {failure.value}
          </p>
        )}
        <Button
          look="main"
          busy={isBusy.value}
          disabled={!isReady.value}
          onPress={() => void signIn()}
        >
          {isBusy.value ? "Signing in …" : "Sign in"}
        </Button>
      </form>
      <OtherWays />
      <p class="soft small">
        Find the code in Settings of a device that is signed in, or in the output of{" "}
        <code>errand pair</code> or <code>make run</code>.
      </p>
    </main>
  );
}
