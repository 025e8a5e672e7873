// Drawing at most once an animation frame: what changed since is shown together.
import { batch } from "@preact/signals";

const HIDDEN_MS = 250;

export interface Frames {
  /** Call `draw` in the next frame; asked for several times, once. */
  request(draw: () => void): void;
}

export function createFrames(window: Window): Frames {
  const waiting = new Set<() => void>();
  let isDue = false;

  function flush(): void {
    isDue = false;
    const draws = [...waiting];
    waiting.clear();
    batch(() => {
      for (const draw of draws) draw();
    });
  }

  return {
    request(draw) {
      waiting.add(draw);
      if (isDue) return;
      isDue = true;
      // A page in the background has no frames, and must still know what happened.
      if (window.document.visibilityState === "visible") window.requestAnimationFrame(flush);
      else window.setTimeout(flush, HIDDEN_MS);
    },
  };
}
