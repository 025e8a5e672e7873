// What a settings page lists, each with its button that removes it.
import type { ComponentChildren } from "preact";
import { Button } from "../../parts/controls/button.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { useApp } from "../../state/app.ts";
import type { Resource } from "../../state/resource.ts";

export interface Described {
  readonly name: string;
  readonly under: ComponentChildren;
}

interface RemovableListProps<T> {
  readonly of: Resource<{ readonly data: readonly T[] }>;
  /** Where one is deleted; no two have the same. */
  readonly addressOf: (one: T) => string;
  readonly describe: (one: T) => Described;
}

export function RemovableList<T>({ of, addressOf, describe }: RemovableListProps<T>) {
  const { api } = useApp();
  const remove = (address: string) =>
    attempt(async () => {
      await api.delete(address);
      await of.reload();
    });
  return (
    <ResourceView of={of}>
      {(list) => (
        <ul class="things">
          {list.data.map((one) => {
            const [address, { name, under }] = [addressOf(one), describe(one)];
            return (
              <li key={address}>
                <span>
                  <span>{name}</span>
                  <span class="soft small">{under}</span>
                </span>
                <Button look="quiet" onPress={() => void remove(address)}>
                  Remove
                </Button>
              </li>
            );
          })}
        </ul>
      )}
    </ResourceView>
  );
}
