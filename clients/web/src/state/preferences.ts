// What the person set on this device.
import type { ReadonlySignal } from "@preact/signals";

export interface PreferenceValues {
  readonly theme: "system" | "light" | "dark";
  readonly wrap: boolean;
  readonly mode: "steer" | "queue";
  readonly repository: string;
}

export interface Preferences {
  readonly values: ReadonlySignal<PreferenceValues>;
  set(change: Partial<PreferenceValues>): void;
}
