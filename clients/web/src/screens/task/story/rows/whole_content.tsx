// What was too long for its event: fetched when the person wants it, and shown whole.
import { useSignal } from "@preact/signals";
import { plain } from "../../../../model/plain.ts";
import { size } from "../../../../model/words/words.ts";
import { Button } from "../../../../parts/controls/button.tsx";
import { copyText } from "../../../../parts/controls/copy.ts";
import { attempt } from "../../../../parts/frame/attempt.ts";
import { useApp } from "../../../../state/app.ts";
import { useStory } from "../story_context.ts";

interface WholeContentProps {
  readonly version: number;
  readonly sizeBytes: number;
}

export function WholeContent({ version, sizeBytes }: WholeContentProps) {
  const { api } = useApp();
  const { task } = useStory();
  const text = useSignal<string | null>(null);
  const failure = useSignal("");
  const isBusy = useSignal(false);
  const load = async () => {
    isBusy.value = true;
    failure.value = "";
    await attempt(async () => {
      const path = `/v1/tasks/${task.view.id}/events/${version}/content`;
      text.value = shown(await (await api.request("GET", path)).text());
    }, failure);
    isBusy.value = false;
  };
  if (text.value !== null) {
    const whole = text.value;
    return (
      <>
        <pre class="story-output">{plain(whole)}</pre>
        <Button icon="copy" onPress={() => void copyText(whole)}>
          Copy all
        </Button>
      </>
    );
  }
  return (
    <div class="whole-content">
      {failure.value && (
        <p class="field-error" role="alert">
          {failure.value}
        </p>
      )}
      <Button busy={isBusy.value} onPress={() => void load()}>
        Load the whole ({size(sizeBytes)})
      </Button>
    </div>
  );
}

/** A reply comes as the model's blocks, an output as it is. */
function shown(content: string): string {
  if (!content.startsWith("[{")) return content;
  try {
    const blocks = JSON.parse(content) as readonly { type?: string; text?: string }[];
    return blocks
      .flatMap((block) => (block.type === "text" ? [block.text ?? ""] : []))
      .join("\n\n");
  } catch {
    return content;
  }
}
