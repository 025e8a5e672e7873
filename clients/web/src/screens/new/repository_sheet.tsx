// The repository of a new task: those used before, those at the forge, or an address.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { usedRepositories } from "../../model/compose/recents.ts";
import type { Recents, RepositoryInfo, RepositoryPage } from "../../model/generated/api.gen.ts";
import { repositoryName } from "../../model/inbox/inbox.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import type { ChoiceSheetProps } from "./choice_sheet.tsx";
import { Option, OptionGroup } from "./options.tsx";

const PAUSE_MS = 250;

export function RepositorySheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  const { inbox } = useApp();
  const text = useSignal("");
  const forge = useForgeRepositories(text.value);
  const choose = (repository: string, base = "") => {
    onChange({ repository, base });
    onClose();
  };
  const recents = useResource<Recents>("/v1/me/recents").data.value;
  const used = usedRepositories(recents, inbox.lines.value, text.value);
  const isAddress = /^(https?:\/\/|git@)\S+/.test(text.value.trim());
  return (
    <Sheet title="Repository" onClose={onClose}>
      <input
        class="text-input"
        type="search"
        aria-label="Search, or paste an address"
        placeholder="Search, or paste an address"
        autocapitalize="none"
        spellcheck={false}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      {isAddress && (
        <div class="sheet-note">
          <Button look="main" onPress={() => choose(text.value.trim())}>
            Use this address
          </Button>
        </div>
      )}
      <OptionGroup name="Used before">
        {used.map((url) => (
          <Option
            key={url}
            name={repositoryName(url)}
            about={url}
            isChosen={url === choices.repository}
            onChoose={() => choose(url)}
          />
        ))}
      </OptionGroup>
      <OptionGroup name="At the forge">
        {forge.value.map((repository) => (
          <Option
            key={repository.clone_url}
            name={repository.full_name}
            about={repository.description ?? (repository.private ? "Private" : "Public")}
            isChosen={repository.clone_url === choices.repository}
            onChoose={() => choose(repository.clone_url)}
          />
        ))}
      </OptionGroup>
    </Sheet>
  );
}

/** What GitHub shows the person; empty where GitHub is not linked, which is nothing to complain about. */
function useForgeRepositories(text: string) {
  const { api } = useApp();
  const found = useSignal<readonly RepositoryInfo[]>([]);
  useEffect(() => {
    let isCurrent = true;
    const timer = setTimeout(() => {
      api.get<RepositoryPage>("/v1/repositories", { query: text.trim() }).then(
        (page) => {
          if (isCurrent) found.value = page.data;
        },
        () => {
          if (isCurrent) found.value = [];
        },
      );
    }, PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [text]);
  return found;
}
