// A long press: the finger rests on one place. Scrolling, and a press on a link, are none.
import { useMemo } from "preact/hooks";

const REST_MS = 450;
const TOLERANCE_PX = 10;

interface PressHandlers {
  readonly onPointerDown: (event: PointerEvent) => void;
  readonly onPointerMove: (event: PointerEvent) => void;
  readonly onPointerUp: () => void;
  readonly onPointerCancel: () => void;
  readonly onContextMenu: (event: MouseEvent) => void;
}

export function useLongPress(onPress: () => void): PressHandlers {
  return useMemo(() => handlers(onPress), [onPress]);
}

function handlers(onPress: () => void): PressHandlers {
  let timer = 0;
  let start = { x: 0, y: 0 };
  let isTouch = false;
  const stop = () => window.clearTimeout(timer);
  return {
    onPointerDown: (event) => {
      stop();
      isTouch = event.pointerType === "touch";
      if (!isTouch || isLink(event.target)) return;
      start = { x: event.clientX, y: event.clientY };
      timer = window.setTimeout(() => {
        navigator.vibrate?.(10);
        onPress();
      }, REST_MS);
    },
    onPointerMove: ({ clientX, clientY }) => {
      if (Math.hypot(clientX - start.x, clientY - start.y) > TOLERANCE_PX) stop();
    },
    onPointerUp: stop,
    onPointerCancel: stop,
    onContextMenu: (event) => {
      if (isTouch && !isLink(event.target)) event.preventDefault();
    },
  };
}

function isLink(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("a") !== null;
}
