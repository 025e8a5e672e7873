// What the person set on this device. It holds nothing of their work, and is read before the first paint.
import { type ReadonlySignal, signal } from "@preact/signals";
import type { TaskChoices } from "../../model/compose/new_task.ts";

export interface PreferenceValues {
  readonly theme: "system" | "light" | "dark";
  /** Whether long lines of code are wrapped. */
  readonly wrap: boolean;
  /** How an instruction is sent when nothing else is chosen. */
  readonly mode: "steer" | "queue";
  /** The choices of the last new task. */
  readonly choices: Partial<TaskChoices>;
  /** The day whose morning sum was seen, as `Date.toDateString` spells it. */
  readonly nightSeen: string;
}

export interface Preferences {
  readonly values: ReadonlySignal<PreferenceValues>;
  set(change: Partial<PreferenceValues>): void;
}

const KEY = "errand.preferences";
const DEFAULTS: PreferenceValues = {
  theme: "system",
  wrap: true,
  mode: "steer",
  choices: {},
  nightSeen: "",
};

/** `storage` may be out of reach (a browser can refuse it): then they last as long as the page. */
export function createPreferences(storage: () => Storage): Preferences {
  const values = signal<PreferenceValues>({ ...DEFAULTS, ...read(storage) });
  return {
    values,
    set(change) {
      values.value = { ...values.value, ...change };
      try {
        storage().setItem(KEY, JSON.stringify(values.value));
      } catch {
        // it is out of reach, or full
      }
    },
  };
}

function read(storage: () => Storage): Partial<PreferenceValues> {
  try {
    const kept: unknown = JSON.parse(storage().getItem(KEY) ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {};
  }
}
