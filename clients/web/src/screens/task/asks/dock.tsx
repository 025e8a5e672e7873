// Above the composer: what waits for the person, in one line, and the way to it.
import { plain } from "../../../model/plain.ts";
import { Icon } from "../../../parts/content/icon.tsx";
import { Button } from "../../../parts/controls/button.tsx";
import type { OpenAsk } from "./use_ask_sheet.ts";

export function AskDock({ ask, onOpen }: { ask: OpenAsk; onOpen: () => void }) {
  return (
    <section class="ask-dock" aria-label="Waits for you">
      <Icon name={ask.icon} size={20} />
      <span class="ask-dock-text wrap">{plain(ask.title)}</span>
      <Button look="main" onPress={onOpen} keepsFocus>
        {ask.action}
      </Button>
    </section>
  );
}
