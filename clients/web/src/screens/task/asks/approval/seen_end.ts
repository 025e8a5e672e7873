// Armed: the end of what is asked has been on the screen, and a moment has passed since.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A finger that was on its way elsewhere does not answer. */
const GUARD_MS = 150;

interface SeenEnd {
  /** For the mark at the very end of what is asked. */
  readonly mark: RefObject<HTMLDivElement | null>;
  readonly isArmed: boolean;
  readonly showEnd: () => void;
}

/** `content` names what is asked: with another content, all begins again. */
export function useSeenEnd(content: string): SeenEnd {
  const mark = useRef<HTMLDivElement | null>(null);
  const [armedFor, arm] = useState("");
  useEffect(() => {
    const end = mark.current;
    if (end === null) return;
    let timer = 0;
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      timer = window.setTimeout(() => arm(content), GUARD_MS);
    });
    observer.observe(end);
    return () => {
      observer.disconnect();
      window.clearTimeout(timer);
    };
  }, [content]);
  return {
    mark,
    isArmed: armedFor === content,
    showEnd: () => mark.current?.scrollIntoView({ block: "end" }),
  };
}
