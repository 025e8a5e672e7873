// A link out of the app: web addresses only, in a tab of their own that knows nothing of this one.
import type { ComponentChildren } from "preact";

interface OutLinkProps {
  readonly to: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function OutLink({ to, class: name = "", children }: OutLinkProps) {
  if (!isWeb(to)) return <span class={name}>{children}</span>;
  return (
    <a class={name} href={to} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function isWeb(address: string): boolean {
  return address.startsWith("https://") || address.startsWith("http://");
}
