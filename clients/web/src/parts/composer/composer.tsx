// Where a person writes to the agent: one box, one primary button, and what goes with them.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { ComposerAction, PrimaryAction } from "../../model/compose/composer.ts";
import type { IconName } from "../content/icon.tsx";
import { IconButton } from "../controls/button.tsx";
import { TextBox } from "./text_box.tsx";
import "./composer.css";

interface ComposerProps {
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly placeholder: string;
  readonly primary: PrimaryAction;
  readonly onPrimary: () => void;
  /** What sending would do, where it is not plain. */
  readonly hint?: string;
  readonly onPaste?: (event: ClipboardEvent) => void;
  /** Beside the box: what adds images. */
  readonly beside?: ComponentChildren;
  /** Above the box: what waits, replies to choose from, images, the choice of when. */
  readonly children?: ComponentChildren;
}

const ICONS: Readonly<Record<ComposerAction, IconName>> = {
  none: "send",
  send: "send",
  queue: "queue",
  stop: "stop",
};

export function Composer(props: ComposerProps) {
  const { primary, hint = "", onPrimary } = props;
  const id = useId();
  const isStop = primary.action === "stop";
  return (
    <section class="composer" aria-label="Instruct the agent">
      {props.children}
      {hint && (
        <p id={id} class="composer-hint soft small">
          {hint}
        </p>
      )}
      <div class="composer-line">
        {props.beside}
        <TextBox
          label="Instruction"
          value={props.text}
          onInput={props.onText}
          onSend={() => {
            if (primary.isReady && !isStop) onPrimary();
          }}
          {...(props.onPaste ? { onPaste: props.onPaste } : {})}
          placeholder={props.placeholder}
          describedBy={hint ? id : undefined}
        />
        <div class={`composer-primary ${primary.action}`}>
          <IconButton
            icon={ICONS[primary.action]}
            label={primary.label}
            look={isStop ? "plain" : "main"}
            disabled={!primary.isReady}
            onPress={onPrimary}
            keepsFocus
          />
        </div>
      </div>
    </section>
  );
}
