// Text of the agent: plain at once, and as Markdown as soon as that part of the app is here.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { plain } from "../../model/plain.ts";
import "./prose.css";

const markdown = signal<ComponentType<{ text: string }> | null>(null);
let isAsked = false;

export function Prose({ text }: { text: string }) {
  const Markdown = markdown.value;
  if (Markdown !== null) {
    return (
      <div class="prose">
        <Markdown text={text} />
      </div>
    );
  }
  load();
  return <div class="prose plain">{plain(text)}</div>;
}

/** Where it cannot be loaded (offline, a first visit), the text is there all the same. */
function load(): void {
  if (isAsked) return;
  isAsked = true;
  import("../../text/markdown.tsx").then(
    (module) => {
      markdown.value = module.Markdown;
    },
    () => {
      isAsked = false;
    },
  );
}
