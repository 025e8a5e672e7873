// Signing out on this device: what is kept here is wiped first, and what is not sent yet is named.
import { useSignal } from "@preact/signals";
import { unsentCount } from "../../model/inbox/sent.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Confirm } from "../../parts/frame/confirm.tsx";
import { useApp } from "../../state/app.ts";

export function SignOut() {
  const { commands, session } = useApp();
  const isAsking = useSignal(false);
  const unsent = unsentCount(commands.receipts.value);
  return (
    <div class="sign-out">
      <Button
        look="bad"
        onPress={() => {
          isAsking.value = true;
        }}
      >
        Sign out on this device
      </Button>
      {isAsking.value && (
        <Confirm
          title="Sign out on this device?"
          action="Sign out"
          onConfirm={() => void session.signOut()}
          onClose={() => {
            isAsking.value = false;
          }}
        >
          <p>Everything that this device keeps is removed. Your tasks go on.</p>
          {unsent > 0 && (
            <p class="field-error">
              {unsent === 1
                ? "One thing you sent has not left this device yet; it is lost."
                : `${unsent} things you sent have not left this device yet; they are lost.`}
            </p>
          )}
        </Confirm>
      )}
    </div>
  );
}
