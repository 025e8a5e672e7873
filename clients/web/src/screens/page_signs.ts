// What the browser shows of the app outside its page: the tab's title, the icon's badge, the bar's colour.
import { useEffect } from "preact/hooks";
import { badgeCount, sectionsOf } from "../model/inbox/inbox.ts";
import { plain } from "../model/plain.ts";
import { pageTitle } from "../model/words/page_title.ts";
import type { App } from "../state/app.ts";

export function usePageSigns({ inbox, preferences, router, session }: App): void {
  const route = router.path.value;
  const lines = session.me.value ? inbox.lines.value : [];
  const sections = sectionsOf(lines, inbox.seen.value);
  const task = "task" in route ? lines.find((line) => line.task === route.task)?.title : "";
  const title = pageTitle(route, plain(task ?? ""), sections.waiting.length);
  useEffect(() => {
    document.title = title;
  }, [title]);
  const badge = badgeCount(sections);
  useEffect(() => {
    // Not every browser has badges, and one that has them may refuse outside an installed app.
    navigator.setAppBadge?.(badge).catch(() => {});
  }, [badge]);
  const { theme } = preferences.values.value;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    for (const scheme of ["light", "dark"]) {
      const meta = document.querySelector<HTMLMetaElement>(`meta[data-scheme="${scheme}"]`);
      if (meta) meta.media = mediaOf(scheme, theme);
    }
  }, [theme]);
}

/** Each scheme has a meta element with its colour; one of them counts. */
function mediaOf(scheme: string, theme: string): string {
  if (theme === "system") return `(prefers-color-scheme: ${scheme})`;
  return scheme === theme ? "all" : "not all";
}
