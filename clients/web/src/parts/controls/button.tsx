// Buttons: one look per meaning, at least 44 px high, and a press that never takes the keyboard away.
import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "../content/icon.tsx";
import "./button.css";

type Look = "main" | "plain" | "quiet" | "bad";

interface ButtonProps {
  children: ComponentChildren;
  onPress: () => void;
  look?: Look;
  icon?: IconName;
  disabled?: boolean;
  busy?: boolean;
  describedBy?: string;
  /** Act when the finger touches, so that a text box keeps its focus and its keyboard. */
  keepsFocus?: boolean;
}

export function Button(props: ButtonProps) {
  const { children, onPress, look = "plain", icon, disabled = false, busy = false } = props;
  return (
    <button
      type="button"
      class={`button ${look}`}
      disabled={disabled || busy}
      aria-busy={busy}
      aria-describedby={props.describedBy}
      {...pressing(onPress, props.keepsFocus ?? false)}
    >
      {icon && <Icon name={icon} size={20} />}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onPress: () => void;
  look?: Look;
  disabled?: boolean;
  keepsFocus?: boolean;
  badge?: number;
}

/** A button that shows an icon alone; its label is announced. */
export function IconButton(props: IconButtonProps) {
  const { icon, label, onPress, look = "quiet", disabled = false, badge = 0 } = props;
  return (
    <button
      type="button"
      class={`button icon-only ${look}`}
      aria-label={label}
      title={label}
      disabled={disabled}
      {...pressing(onPress, props.keepsFocus ?? false)}
    >
      <Icon name={icon} />
      {badge > 0 && <span class="badge numbers">{badge}</span>}
    </button>
  );
}

function pressing(onPress: () => void, keepsFocus: boolean) {
  if (!keepsFocus) return { onClick: onPress };
  return {
    onPointerDown: (event: PointerEvent) => event.preventDefault(),
    onClick: onPress,
  };
}
