// A text box that grows with its text up to some lines. Enter is a new line; Ctrl or Cmd+Enter sends.
import { useLayoutEffect, useRef } from "preact/hooks";
import "./text_box.css";

interface TextBoxProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly onSend?: () => void;
  readonly onPaste?: (event: ClipboardEvent) => void;
  readonly placeholder?: string;
  readonly describedBy?: string | undefined;
  readonly maxLength?: number;
}

export function TextBox(props: TextBoxProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => grow(box.current!), [props.value]);
  return (
    <textarea
      ref={box}
      class="text-box"
      rows={1}
      aria-label={props.label}
      aria-describedby={props.describedBy}
      placeholder={props.placeholder ?? ""}
      value={props.value}
      maxLength={props.maxLength ?? -1}
      enterkeyhint="enter"
      autocapitalize="sentences"
      onInput={(event) => props.onInput(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
        event.preventDefault();
        props.onSend?.();
      }}
      onPaste={(event) => props.onPaste?.(event)}
    />
  );
}

/** Browsers that size a box by its content need no help. */
const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

function grow(box: HTMLTextAreaElement): void {
  if (GROWS_BY_ITSELF) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
}
