// Things to choose from in a sheet, in named groups: a touch chooses one.
import { plain } from "../../model/plain.ts";
import { Icon } from "../../parts/content/icon.tsx";

export function OptionGroup({ name, children }: { name: string; children: preact.VNode[] }) {
  if (children.length === 0) return null;
  return (
    <section class="sheet-group">
      <h3 class="soft small">{name}</h3>
      <ul>{children}</ul>
    </section>
  );
}

interface OptionProps {
  name: string;
  about?: string;
  isChosen: boolean;
  onChoose: () => void;
}

export function Option({ name, about = "", isChosen, onChoose }: OptionProps) {
  return (
    <li>
      <button type="button" class="option" aria-pressed={isChosen} onClick={onChoose}>
        <span>
          <span class="wrap">{plain(name)}</span>
          {about !== "" && <span class="soft small wrap">{plain(about)}</span>}
        </span>
        {isChosen && <Icon name="check" label="Chosen" />}
      </button>
    </li>
  );
}
