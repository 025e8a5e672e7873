// Signing in with GitHub from the installed app: the browser does it, and the app waits for the result.
import { useEffect } from "preact/hooks";
import { messageOf } from "../../line/api.ts";
import type { AppSignInOffer } from "../../model/generated/api.gen.ts";
import { useApp } from "../../state/app.ts";

interface InBrowserProps {
  begun: AppSignInOffer;
  onFailed: (detail: string) => void;
}

export function InBrowser({ begun, onFailed }: InBrowserProps) {
  const { api, router, session } = useApp();
  useEffect(() => {
    const look = async () => {
      try {
        const body = { secret: begun.secret };
        const { code } = await api.post<{ code: string | null }>(
          "/v1/oauth/github/app/result",
          body,
        );
        if (code === null) return;
        clearInterval(timer);
        await session.signIn(code);
        router.go("/", { replace: true });
      } catch (error) {
        onFailed(messageOf(error));
      }
    };
    const timer = setInterval(() => void look(), begun.interval_seconds * 1000);
    return () => clearInterval(timer);
  }, [begun]);
  return (
    <section class="install" aria-labelledby="in-browser-title">
      <h2 id="in-browser-title">Go on in the browser</h2>
      <p>Sign in at GitHub, then type these four characters there:</p>
      <p class="install-code">{begun.code}</p>
      <a class="button main" href={begun.url} target="_blank" rel="noopener noreferrer">
        Open GitHub
      </a>
      <p class="soft small" role="status">
        This page goes on by itself when you are done.
      </p>
    </section>
  );
}
