// What can be done with a row: copy it, link to its moment, see the task as it was then.

import { plain } from "../../../../model/plain.ts";
import type { StoryItem } from "../../../../model/story/rows.ts";
import { Button } from "../../../../parts/controls/button.tsx";
import { copyText } from "../../../../parts/controls/copy.ts";
import { Sheet } from "../../../../parts/frame/sheet.tsx";
import { useApp } from "../../../../state/app.ts";
import { textOf } from "./row_text.ts";

interface RowMenuProps {
  readonly item: StoryItem;
  readonly task: string;
  readonly onClose: () => void;
}

export function RowMenu({ item, task, onClose }: RowMenuProps) {
  const { router } = useApp();
  const text = textOf(item);
  const act = (work: () => void) => () => {
    onClose();
    work();
  };
  return (
    <Sheet title={`Moment #${item.from}`} onClose={onClose}>
      <div class="sheet-menu">
        {text !== "" && (
          <Button look="quiet" icon="copy" onPress={act(() => void copyText(text))}>
            Copy text
          </Button>
        )}
        <Button
          look="quiet"
          icon="link"
          onPress={act(() => {
            void copyText(`${location.origin}/t/${task}#v${item.from}`, "Link copied.");
          })}
        >
          Copy link to this moment
        </Button>
        <Button
          look="quiet"
          icon="history"
          onPress={act(() => router.go(`/t/${task}/past#v${item.from}`))}
        >
          See the task as it was here
        </Button>
      </div>
      {text !== "" && (
        <>
          <p class="soft small">Select a part of it:</p>
          <pre class="row-menu-text">{plain(text)}</pre>
        </>
      )}
    </Sheet>
  );
}
