// The one polite live region: boundaries are announced (asked, answered, finished), never tokens.
import { signal } from "@preact/signals";

const announced = signal("");

/** Have a screen reader say this when it is free. */
export function announce(text: string): void {
  announced.value = text;
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {announced}
    </div>
  );
}
