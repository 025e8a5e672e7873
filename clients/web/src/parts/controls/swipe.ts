// A swipe to the side: a quick, straight move of one finger, which scrolls nothing.

const MIN_PX = 64;
const MAX_MS = 600;

interface Swipe {
  onTouchStart: (event: TouchEvent) => void;
  onTouchEnd: (event: TouchEvent) => void;
}

/** `onSwipe` receives 1 when the finger went to the left (on to the next), -1 to the right. */
export function swiping(onSwipe: (step: 1 | -1) => void): Swipe {
  let start: { x: number; y: number; at: number } | null = null;
  return {
    onTouchStart({ touches, timeStamp }) {
      const [touch] = touches;
      start = touch && touches.length === 1 ? placeOf(touch, timeStamp) : null;
    },
    onTouchEnd({ changedTouches: [touch], timeStamp }) {
      if (start === null || touch === undefined) return;
      const [x, y] = [touch.clientX - start.x, touch.clientY - start.y];
      const isQuick = timeStamp - start.at < MAX_MS;
      start = null;
      if (isQuick && Math.abs(x) >= MIN_PX && Math.abs(x) > 2 * Math.abs(y))
        onSwipe(x < 0 ? 1 : -1);
    },
  };
}

function placeOf({ clientX, clientY }: Touch, at: number): { x: number; y: number; at: number } {
  return { x: clientX, y: clientY, at };
}
