// A new version of the app waits: it begins when the person says so. Drafts are kept.
import { signal } from "@preact/signals";
import { Button } from "../controls/button.tsx";
import "./freshness.css";

const waiting = signal<ServiceWorker | null>(null);

/** Say that a new service worker is ready to take over. */
export function offerUpdate(worker: ServiceWorker): void {
  waiting.value = worker;
}

export function UpdateBar() {
  const worker = waiting.value;
  if (worker === null) return null;
  return (
    <div class="freshness" role="status">
      <p>A new version of Errand is ready.</p>
      <Button look="quiet" onPress={() => worker.postMessage("activate")}>
        Use it now
      </Button>
    </div>
  );
}
