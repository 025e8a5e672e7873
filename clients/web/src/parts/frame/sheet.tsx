// A sheet: a dialog from the bottom edge on a phone, in the middle on a wide screen.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { useApp } from "../../state/app.ts";
import { IconButton } from "../controls/button.tsx";
import "./sheet.css";

interface SheetProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  /** Buttons at the bottom, in reach of a thumb; they stay while the content scrolls. */
  actions?: ComponentChildren;
  /** Small line over the title. */
  over?: ComponentChildren;
}

/** The sheet closes by its button, Escape, the Back button of Android, and a touch beside it. */
export function Sheet({ title, children, onClose, actions, over }: SheetProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { router } = useApp();
  const titled = useId();
  const closing = useRef(onClose);
  closing.current = onClose;
  useEffect(() => router.openSheet(() => closing.current()), [router]);
  useLayoutEffect(() => {
    const shown = dialog.current!;
    const before = document.activeElement;
    if (!shown.open) shown.showModal();
    return () => {
      shown.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  useUnsqueezed(dialog);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog already, through onCancel
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby={titled}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="sheet-body">
        <header class="sheet-header">
          <div class="sheet-titles">
            {over && <p class="soft small">{over}</p>}
            <h2 id={titled} class="wrap" tabIndex={-1} autofocus>
              {title}
            </h2>
          </div>
          <IconButton icon="close" label="Close" onPress={onClose} />
        </header>
        <div class="sheet-content">{children}</div>
        {actions && <footer class="sheet-actions">{actions}</footer>}
      </div>
    </dialog>
  );
}

/** What scrolls keeps this part of the sheet, or the whole sheet scrolls. */
const LEAST_CONTENT = 0.45;

function useUnsqueezed(dialog: RefObject<HTMLDialogElement | null>): void {
  useEffect(() => {
    const shown = dialog.current!;
    const look = () => {
      const fixed = heightOf(shown, ".sheet-header") + heightOf(shown, ".sheet-actions");
      const room = window.visualViewport?.height ?? window.innerHeight;
      shown.classList.toggle("squeezed", fixed > room * (1 - LEAST_CONTENT));
    };
    const observer = new ResizeObserver(look);
    for (const part of shown.querySelectorAll(".sheet-body, .sheet-body > *")) {
      observer.observe(part);
    }
    window.visualViewport?.addEventListener("resize", look);
    return () => {
      observer.disconnect();
      window.visualViewport?.removeEventListener("resize", look);
    };
  }, []);
}

function heightOf(sheet: HTMLElement, part: string): number {
  return sheet.querySelector<HTMLElement>(part)?.offsetHeight ?? 0;
}
