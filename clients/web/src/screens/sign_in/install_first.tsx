// On an iPhone the installed app has a storage of its own: install first, then type the code there.
import { Button } from "../../parts/controls/button.tsx";
import { toast } from "../../parts/frame/toast.tsx";

/** Whether this is Safari of an iPhone or iPad, outside the installed app. */
export function isToInstallFirst(): boolean {
  const isApple = /iPhone|iPad/.test(navigator.userAgent);
  return isApple && !isInstalled();
}

/** Whether this is the installed app, in a window of its own. */
export function isInstalled(): boolean {
  return matchMedia("(display-mode: standalone)").matches;
}

export function InstallFirst({ code }: { code: string }) {
  return (
    <section class="install" aria-labelledby="install-title">
      <h2 id="install-title">Install the app first</h2>
      <ol>
        <li>Tap Share in Safari’s bar.</li>
        <li>Choose “Add to Home Screen”.</li>
        <li>Open Errand from the home screen and type this code:</li>
      </ol>
      <p class="install-code">{code}</p>
      <Button
        icon="copy"
        onPress={() => {
          void navigator.clipboard.writeText(code).then(() => toast({ text: "Copied." }));
        }}
      >
        Copy the code
      </Button>
    </section>
  );
}
