// Two to four views of one thing, side by side: links, so that each has an address.
import "./segments.css";

interface Segment {
  name: string;
  path: string;
  /** A small count beside the name. */
  count?: number;
}

interface SegmentsProps {
  label: string;
  segments: readonly Segment[];
  current: string;
  onGo: (path: string) => void;
}

export function Segments({ label, segments, current, onGo }: SegmentsProps) {
  return (
    <nav class="segments" aria-label={label}>
      {segments.map(({ name, path, count }) => (
        <a
          key={path}
          href={path}
          aria-current={path === current ? "page" : undefined}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey) return;
            event.preventDefault();
            onGo(path);
          }}
        >
          {name}
          {count !== undefined && count > 0 && <span class="segment-count numbers">{count}</span>}
        </a>
      ))}
    </nav>
  );
}
