// The way back to the end, with how much has come there since.
import { Icon } from "../../../parts/content/icon.tsx";

interface NewPillProps {
  readonly count: number;
  readonly isShown: boolean;
  readonly onPress: () => void;
}

export function NewPill({ count, isShown, onPress }: NewPillProps) {
  if (!isShown) return null;
  return (
    <button
      type="button"
      class={count > 0 ? "new-pill fresh" : "new-pill"}
      aria-label={count > 0 ? `${count} new below: go to the end` : "Go to the end"}
      onPointerDown={(event) => event.preventDefault()}
      onClick={onPress}
    >
      {count > 0 && <span class="numbers">{count} new</span>}
      <Icon name="arrow_down" size={20} />
    </button>
  );
}
