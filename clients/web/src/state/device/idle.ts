// Work that can wait until nothing else is to be done, one piece at a time.

const waiting = new Set<() => void>();
let isDue = false;

/** Do this when the browser has nothing to do. Return what takes it back. */
export function whenIdle(work: () => void): () => void {
  waiting.add(work);
  request();
  return () => void waiting.delete(work);
}

function request(): void {
  if (isDue || waiting.size === 0) return;
  isDue = true;
  if (window.requestIdleCallback) window.requestIdleCallback(next);
  else window.setTimeout(next, 1);
}

function next(): void {
  isDue = false;
  const [first] = waiting;
  if (first === undefined) return;
  waiting.delete(first);
  request();
  first();
}
