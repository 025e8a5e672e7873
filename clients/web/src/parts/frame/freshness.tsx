// How fresh the screen is: silent while live, a line of words as soon as it is not.
import { time } from "../../model/words/words.ts";
import { useApp } from "../../state/app.ts";
import { Button } from "../controls/button.tsx";
import "./freshness.css";

export function Freshness() {
  const { connection } = useApp();
  const status = connection.status.value;
  if (status.kind === "live") return null;
  return (
    <div class={`freshness ${status.kind}`} role="status">
      <p>{sentence(status.kind, status.since, status.reason)}</p>
      {status.kind !== "connecting" && (
        <Button look="quiet" onPress={() => connection.retry()}>
          Try now
        </Button>
      )}
    </div>
  );
}

function sentence(kind: string, since: number, reason?: string): string {
  if (kind === "connecting") return "Connecting …";
  if (kind === "stopped") return reason ?? "The connection has ended. Load the app again.";
  return `Offline since ${time(since, Date.now())}. What you send is kept and goes out when you are back.`;
}
