// The moments after which no socket is to be trusted: the app was asleep, or the network changed.

const CLOCK_INTERVAL_MS = 5000;
/** A timer that comes so much too late was asleep. */
const JUMP_MS = 10_000;

export function watchWaking(
  window: Window & typeof globalThis,
  onWake: () => void,
  onOffline: () => void,
): void {
  const { document } = window;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") onWake();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) onWake();
  });
  window.addEventListener("online", onWake);
  window.addEventListener("offline", onOffline);
  let expected = Date.now() + CLOCK_INTERVAL_MS;
  window.setInterval(() => {
    const late = Date.now() - expected;
    expected = Date.now() + CLOCK_INTERVAL_MS;
    if (late > JUMP_MS && document.visibilityState === "visible") onWake();
  }, CLOCK_INTERVAL_MS);
}
