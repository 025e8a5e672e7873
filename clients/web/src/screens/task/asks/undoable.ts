// A choice that can be taken back for a moment, and is made for good after it.
import { useEffect, useRef, useState } from "preact/hooks";

const UNDO_SECONDS = 4;
const TICK_MS = 250;

interface Undoable {
  readonly chosen: string | null;
  readonly secondsLeft: number;
  readonly choose: (value: string) => void;
  readonly undo: () => void;
}

/** A choice that stands when the sheet closes, or the page goes away, is made. */
export function useUndoable(commit: (value: string) => void): Undoable {
  const [choice, setChoice] = useState<{ value: string; until: number } | null>(null);
  const [now, setNow] = useState(0);
  const pending = useRef<{ value: string; commit: (value: string) => void } | null>(null);
  pending.current = choice === null ? null : { value: choice.value, commit };

  useEffect(() => {
    if (choice === null) return;
    const tick = () => {
      setNow(Date.now());
      if (Date.now() >= choice.until) {
        commitPending();
        setChoice(null);
      }
    };
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, [choice]);

  useEffect(() => {
    addEventListener("pagehide", commitPending);
    return () => {
      removeEventListener("pagehide", commitPending);
      commitPending();
    };
  }, []);

  function commitPending(): void {
    const made = pending.current;
    pending.current = null;
    made?.commit(made.value);
  }

  return {
    chosen: choice?.value ?? null,
    secondsLeft: choice === null ? 0 : Math.max(1, Math.ceil((choice.until - now) / 1000)),
    choose: (value) => {
      setNow(Date.now());
      setChoice({ value, until: Date.now() + UNDO_SECONDS * 1000 });
    },
    undo: () => setChoice(null),
  };
}
