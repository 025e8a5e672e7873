// Long work in slices: the browser has the turn again before a frame is late.

const MAX_MS = 6;

/** Return what long work calls after each slice: it waits only when others must have the turn. */
export function createRest(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < MAX_MS) return undefined;
    return turn().then(() => {
      since = performance.now();
    });
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
