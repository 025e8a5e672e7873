// A link to a place in the app: an ordinary link, which a tap follows without loading the page again.
import type { ComponentChildren } from "preact";
import { useApp } from "../../state/app.ts";

interface LinkProps {
  to: string;
  children: ComponentChildren;
  class?: string;
  label?: string;
  isCurrent?: boolean;
  onGo?: () => void;
}

export function Link({ to, children, class: name, label, isCurrent = false, onGo }: LinkProps) {
  const { router } = useApp();
  return (
    <a
      href={to}
      class={name}
      aria-label={label}
      aria-current={isCurrent ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onGo?.();
        router.go(to);
      }}
    >
      {children}
    </a>
  );
}
