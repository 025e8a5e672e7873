// The height of the app: what the keyboard leaves of the window, on phones that do not resize the page.

const LEAST_PX = 1;

/** Keep `--height` right until the page goes away. */
export function followViewport(window: Window): void {
  const view = window.visualViewport;
  if (view === null) return;
  const { style } = window.document.documentElement;
  view.addEventListener("resize", () => {
    if (window.innerHeight - view.height > LEAST_PX && view.scale === 1) {
      style.setProperty("--height", `${view.height}px`);
      window.scrollTo(0, 0);
    } else {
      style.removeProperty("--height");
    }
  });
}
