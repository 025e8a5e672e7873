// A labelled field. Its text is 16 px or more, so that no phone zooms into it.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import "./field.css";

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  kind?: "text" | "email" | "url" | "search" | "number" | "password";
  help?: ComponentChildren;
  error?: string;
  placeholder?: string;
  autocomplete?: string;
  capitalize?: "characters" | "none" | "sentences";
  suggestions?: readonly string[];
  isCode?: boolean;
  max?: number;
}

export function Field(props: FieldProps) {
  const id = useId();
  const { label, value, onInput, kind = "text", help, error, suggestions } = props;
  const hint = error || help ? `${id}-hint` : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        class={props.isCode ? "code" : ""}
        aria-describedby={hint}
        onInput={(event) => onInput(event.currentTarget.value)}
        {...inputAttributes(props, kind, suggestions?.length ? `${id}-list` : undefined)}
      />
      {suggestions && suggestions.length > 0 && (
        <datalist id={`${id}-list`}>
          {suggestions.map((suggestion) => (
            <option key={suggestion} value={suggestion} />
          ))}
        </datalist>
      )}
      {hint && (
        <p id={hint} class={error ? "field-error" : "soft small"}>
          {error ?? help}
        </p>
      )}
    </div>
  );
}

/** What differs from field to field; Preact's types know each kind of input apart, a variable kind not. */
function inputAttributes(props: FieldProps, kind: string, list: string | undefined): object {
  return {
    type: kind,
    list,
    placeholder: props.placeholder,
    autocomplete: props.autocomplete ?? "off",
    autocapitalize: props.capitalize ?? "none",
    autocorrect: "off",
    spellcheck: false,
    maxLength: props.max ?? -1,
    "aria-invalid": props.error ? "true" : undefined,
  };
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; name: string; help?: string }[];
  onChange: (value: T) => void;
}

/** One of a few, each with a sentence on what it means. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const id = useId();
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value} class="choice-option">
          <input
            type="radio"
            name={id}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>
            <span>{option.name}</span>
            {option.help && <span class="soft small">{option.help}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface SwitchProps {
  label: string;
  help?: string;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}

export function Switch({ label, help, on, onChange, disabled = false }: SwitchProps) {
  return (
    <label class="switch">
      <span>
        <span>{label}</span>
        {help && <span class="soft small">{help}</span>}
      </span>
      <input
        type="checkbox"
        role="switch"
        checked={on}
        aria-checked={on}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    </label>
  );
}
