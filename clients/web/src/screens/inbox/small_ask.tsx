// A short question or approval, shown whole in the list and answered there.

import type { Ask, Line } from "../../model/inbox/inbox.ts";
import { answerSentence } from "../../model/inbox/sent.ts";
import { plain } from "../../model/plain.ts";
import { Command } from "../../parts/content/command.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { useApp } from "../../state/app.ts";

export function SmallAsk({ line, ask }: { line: Line; ask: Ask }) {
  const { commands } = useApp();
  const request = ask.request ?? "";
  const sent = answerSentence(commands.receipts.value, line.task, request);
  if (sent !== "") return <p class="small-ask soft small">{sent}</p>;
  if (ask.kind === "question") return <Options line={line} ask={ask} />;
  if (ask.kind !== "approval" || ask.digest === undefined) return null;
  const { digest } = ask;
  const answer = (verdict: "allow" | "deny") => {
    commands.send("approve", line.task, { request, verdict, digest, scope: "once" });
  };
  return (
    <div class="small-ask">
      {ask.command && <Command text={ask.command} />}
      <div class="small-ask-buttons">
        <Button onPress={() => answer("deny")}>Deny</Button>
        <Button look="main" onPress={() => answer("allow")}>
          Allow once
        </Button>
      </div>
    </div>
  );
}

function Options({ line, ask }: { line: Line; ask: Ask }) {
  const { commands } = useApp();
  const request = ask.request ?? "";
  return (
    <div class="small-ask small-ask-options">
      {(ask.options ?? []).map((option) => (
        <Button
          key={option}
          onPress={() => commands.send("answer", line.task, { request, text: option })}
        >
          {plain(option)}
        </Button>
      ))}
    </div>
  );
}
