// A part of the app that is loaded when it is first shown.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Failed, Loading } from "./notice.tsx";

/** Make a component of one that is still to be loaded. A load that failed can be tried again. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  const loaded = signal<ComponentType<Props> | null>(null);
  const hasFailed = signal(false);
  let isLoading = false;

  function begin(): void {
    if (isLoading) return;
    isLoading = true;
    hasFailed.value = false;
    load()
      .then((component) => {
        loaded.value = component;
      })
      .catch(() => {
        hasFailed.value = true;
      })
      .finally(() => {
        isLoading = false;
      });
  }

  return function Lazy(props: Props) {
    const Component = loaded.value;
    if (Component !== null) return <Component {...props} />;
    if (hasFailed.value) {
      return (
        <Failed title="This page could not be loaded." action="Try again" onAction={begin}>
          Nothing you wrote is lost. Check the connection and try again.
        </Failed>
      );
    }
    begin();
    return <Loading />;
  };
}
