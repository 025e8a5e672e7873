// The browser's end of a sign-in that the installed app began: the app shows four characters.
import { useSignal } from "@preact/signals";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { useApp } from "../../state/app.ts";

const LENGTH = 4;

export function Confirmation({ secret }: { secret: string }) {
  const { api } = useApp();
  const code = useSignal("");
  const failure = useSignal("");
  const isDone = useSignal(false);
  const confirm = async () => {
    await attempt(async () => {
      const body = { confirmation: secret, code: code.value };
      await api.post("/v1/oauth/github/app/confirmation", body);
      isDone.value = true;
    }, failure);
  };
  return (
    <main class="sign-in">
      <h1>{isDone.value ? "You are signed in" : "One more step"}</h1>
      {isDone.value ? (
        <p>Go back to Errand on your home screen; this page can be closed.</p>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void confirm();
          }}
        >
          <p>
            Type the four characters that Errand shows on your home screen. If you did not start
            this there, close this page.
          </p>
          <Field
            label="Characters that the app shows"
            value={code.value}
            capitalize="characters"
            isCode
            onInput={(typed) => {
              code.value = typed.toUpperCase().slice(0, LENGTH);
              failure.value = "";
            }}
            {...(failure.value ? { error: failure.value } : {})}
          />
          <Button look="main" disabled={code.value.length < LENGTH} onPress={() => void confirm()}>
            Sign in to the app
          </Button>
        </form>
      )}
    </main>
  );
}
