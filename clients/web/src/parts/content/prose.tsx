// Text of the agent: plain at once, and as Markdown as soon as that part of the app is here.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { plain } from "../../model/plain.ts";
import { whenIdle } from "../../state/device/idle.ts";
import "./prose.css";

let Markdown: ComponentType<{ text: string }> | null = null;
let loading: Promise<void> | null = null;

export function Prose({ text }: { text: string }) {
  const isReady = useMarkdown();
  if (Markdown === null || !isReady) return <div class="prose plain">{plain(text)}</div>;
  return (
    <div class="prose">
      <Markdown text={text} />
    </div>
  );
}

/** True once it can be shown as Markdown. What was shown plain becomes it one after the other. */
function useMarkdown(): boolean {
  const [isReady, setReady] = useState(Markdown !== null);
  useEffect(() => {
    if (isReady) return;
    let isGone = false;
    let cancel = whenIdle(() => {
      void load().then(() => {
        if (Markdown !== null && !isGone) cancel = whenIdle(() => setReady(true));
      });
    });
    return () => {
      isGone = true;
      cancel();
    };
  }, []);
  return isReady;
}

/** Where it cannot be loaded (offline, a first visit), the text is there all the same. */
function load(): Promise<void> {
  loading ??= import("../../text/markdown.tsx").then(
    (module) => {
      Markdown = module.Markdown;
    },
    () => {
      loading = null;
    },
  );
  return loading;
}
