// What a screen shows when it has nothing to show: empty, loading, or an error with one way on.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon, type IconName } from "../content/icon.tsx";
import { Button } from "../controls/button.tsx";
import "./notice.css";

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}

export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="notice">
      <Icon name={icon} size={32} />
      <h2>{title}</h2>
      {children && <div class="soft">{children}</div>}
    </div>
  );
}

interface FailedProps {
  /** What happened, in a sentence. */
  title: string;
  /** What was kept, and what to do about it. */
  children?: ComponentChildren;
  action?: string;
  onAction?: () => void;
}

export function Failed({ title, children, action, onAction }: FailedProps) {
  return (
    <div class="notice" role="alert">
      <Icon name="alert" size={32} />
      <h2>{title}</h2>
      {children && <div class="soft wrap">{children}</div>}
      {action && onAction && <Button onPress={onAction}>{action}</Button>}
    </div>
  );
}

const PATIENCE_MS = 200;

/** Grey lines in place of rows that are still to come; nothing at all for the first moments. */
export function Loading({ rows = 3 }: { rows?: number }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!isLate) return null;
  return (
    <div class="loading" role="status">
      <span class="unseen">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <div class="loading-row" key={row} aria-hidden="true">
          <div />
          <div />
        </div>
      ))}
    </div>
  );
}
