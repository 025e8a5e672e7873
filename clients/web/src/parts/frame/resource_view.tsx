// A page's answer of the gateway: grey rows while it loads, an error with a way on, else the content.
import type { ComponentChildren } from "preact";
import type { Resource } from "../../state/resource.ts";
import { Failed, Loading } from "./notice.tsx";

interface ResourceViewProps<T> {
  of: Resource<T>;
  children: (data: T) => ComponentChildren;
}

export function ResourceView<T>({ of, children }: ResourceViewProps<T>) {
  const data = of.data.value;
  const failure = of.failure.value;
  if (data !== null) {
    return (
      <>
        {failure && (
          <p class="field-error" role="status">
            {failure} What is shown may be old.
          </p>
        )}
        {children(data)}
      </>
    );
  }
  if (failure) {
    return (
      <Failed
        title="This could not be loaded."
        action="Try again"
        onAction={() => void of.reload()}
      >
        {failure}
      </Failed>
    );
  }
  return <Loading rows={4} />;
}
