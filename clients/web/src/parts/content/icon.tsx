// Icons: strokes on a 24 by 24 grid, drawn in the colour of the text beside them.

const PATHS = {
  alert:
    "M12 8v5m0 3.5v.01M10.3 3.9 2.2 18a2 2 0 0 0 1.7 3h16.2a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
  archive: "M3 5h18v4H3zM5 9v10h14V9M10 13h4",
  arrow_down: "M12 5v14m-6-6 6 6 6-6",
  arrow_up: "M12 19V5m-6 6 6-6 6 6",
  back: "m15 5-7 7 7 7",
  bell: "M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9m4 11a2.2 2.2 0 0 0 4 0",
  branch:
    "M6 4v12m0 0a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Zm12-7a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm0 0c0 4-6 3-9.5 6",
  chart: "M4 20V10m5.3 10V4m5.4 16v-8M20 20V7",
  check: "m5 13 4.5 4.5L19 7",
  clock: "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  close: "m6 6 12 12M18 6 6 18",
  code: "m8 7-5 5 5 5m8-10 5 5-5 5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  device: "M7 3h10a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm4 15h2",
  document: "M6 3h8l5 5v13H6zM14 3v5h5",
  down: "m6 9 6 6 6-6",
  edit: "M4 20h4L19.5 8.5a2.1 2.1 0 0 0-3-3L5 17zm10.5-12.5 3 3",
  expand: "M4 9V4h5m6 0h5v5m0 6v5h-5m-6 0H4v-5",
  gear: "M4 6h9m5 0h2M4 12h2m5 0h9M4 18h9m5 0h2M15.5 8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-7 6a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm7 6a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  history: "M4 4v5h5M4.5 9A8.5 8.5 0 1 1 4 14m8-6v4.5l3 2",
  image: "M4 5h16v14H4zm0 11 5-5 4 4 3-3 4 4M15.5 9.5v.01",
  inbox: "M4 13 6.5 5h11L20 13v6H4zm0 0h5l1 2.5h4l1-2.5h5",
  key: "M14.5 9.5 21 3m-3 3 2.5 2.5M10 20a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Z",
  link: "M10 14a4.5 4.5 0 0 0 6.4 0l3-3A4.5 4.5 0 0 0 13 4.6l-1 1m2 4.4a4.5 4.5 0 0 0-6.4 0l-3 3A4.5 4.5 0 0 0 11 19.4l1-1",
  lock: "M6 11h12v9H6zm2.5 0V8a3.5 3.5 0 0 1 7 0v3",
  machine: "M4 5h16v6H4zm0 8h16v6H4zM8 8v.01M8 16v.01",
  more: "M5 11.5v1M12 11.5v1M19 11.5v1",
  next: "m9 5 7 7-7 7",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6.5 9a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4m2 3.3a6.5 6.5 0 0 1 3.5 6",
  play: "M8 5.5v13l11-6.5z",
  pause: "M8 5v14m8-14v14",
  plan: "M9 6h11M9 12h11M9 18h11M4 6l1 1 1.5-2M4 12l1 1 1.5-2M4.5 18h.01",
  plus: "M12 5v14m-7-7h14",
  pull_request:
    "M6 8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm0 0v7m0 0a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Zm12 0a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Zm0 0V9a3 3 0 0 0-3-3h-3m0 0 2.5-2.5M12 6l2.5 2.5",
  question:
    "M9 9.3a3 3 0 1 1 4.3 2.7c-.9.4-1.3 1-1.3 2m0 3v.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  queue: "M4 6h16M4 11h16M4 16h9m5-2v6m-3-3h6",
  refresh: "M20 5v5h-5M4 19v-5h5m10.5-4A8 8 0 0 0 5.6 7.2M4.5 14a8 8 0 0 0 13.9 2.8",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4.5 4.5",
  send: "M12 20V5m-6.5 6.5L12 5l6.5 6.5",
  share: "M12 15V4m-4 4 4-4 4 4M5 12v8h14v-8",
  shield: "M12 3 5 6v5.5c0 4.5 3 7.8 7 9.5 4-1.7 7-5 7-9.5V6z",
  spark: "M12 3v5m0 8v5m9-9h-5M8 12H3m14.5-5.5-3 3m-5 5-3 3m0-11 3 3m5 5 3 3",
  stop: "M7 7h10v10H7z",
  terminal: "m5 7 5 5-5 5m7 0h7",
  trash: "M4 7h16M9 7V4h6v3m3 0-1 13H7L6 7",
  wallet: "M4 7h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zm0 0a2 2 0 0 1 2-2h10v2m1 6.5v.01",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon; with a label it is announced, without one it is decoration. */
export function Icon({
  name,
  label,
  size = 24,
}: {
  name: IconName;
  label?: string;
  size?: number;
}) {
  const hidden = label === undefined;
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      role={hidden ? undefined : "img"}
      aria-hidden={hidden ? "true" : undefined}
      aria-label={label}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
