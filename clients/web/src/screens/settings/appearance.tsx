// How the app looks on this device.
import { Choice, Switch } from "../../parts/controls/field.tsx";
import { useApp } from "../../state/app.ts";
import type { PreferenceValues } from "../../state/device/preferences.ts";

const THEMES: readonly { value: PreferenceValues["theme"]; name: string }[] = [
  { value: "system", name: "Same as the device" },
  { value: "light", name: "Light" },
  { value: "dark", name: "Dark" },
];

export function Appearance() {
  const { preferences } = useApp();
  const { theme, wrap } = preferences.values.value;
  return (
    <div class="settings-section">
      <Choice
        label="Colours"
        value={theme}
        options={THEMES}
        onChange={(chosen) => preferences.set({ theme: chosen })}
      />
      <Switch
        label="Wrap long lines of code"
        help="Off: a file is scrolled to the side."
        on={wrap}
        onChange={(on) => preferences.set({ wrap: on })}
      />
    </div>
  );
}
