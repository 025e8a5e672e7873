// What was sent from this device and has no event yet: marked as such, until it has.

import { receiptSentence } from "../../../../model/asks/receipts.ts";
import { plain } from "../../../../model/plain.ts";
import type { Command, Receipt } from "../../../../model/protocol/receipt.ts";
import { ENGLISH, money } from "../../../../model/words/words.ts";
import { Button } from "../../../../parts/controls/button.tsx";
import { useApp } from "../../../../state/app.ts";

export function PendingView({ receipt }: { receipt: Receipt }) {
  const { commands } = useApp();
  const { command, state } = receipt;
  const text = said(command);
  const isRefused = state === "refused";
  return (
    <div class={isRefused ? "story-row person pending refused" : "story-row person pending"}>
      <div class="story-bubble">
        <p class="wrap story-said">{plain(text)}</p>
      </div>
      <p class={isRefused ? "story-under field-error" : "story-under soft"}>
        {receiptSentence(receipt)}
      </p>
      {state === "kept" && (
        <Button look="quiet" onPress={() => void commands.withdraw(command.id)}>
          Take back
        </Button>
      )}
    </div>
  );
}

function said(command: Command): string {
  const args: object = command.args;
  if ("verdict" in args) return args.verdict === "allow" ? "Allow" : "Deny";
  if ("text" in args) return String(args.text);
  if ("cost_microusd" in args) return `Raise the budget by ${money(Number(args.cost_microusd))}`;
  return WORDS[command.op] ?? ENGLISH.you;
}

const WORDS: Readonly<Partial<Record<Command["op"], string>>> = {
  interrupt: "Stop",
  cancel: "Cancel the task",
  archive: "Archive the task",
};
