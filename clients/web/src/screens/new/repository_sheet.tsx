// The repository of a new task: those used before, those at the forge, or an address.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RepositoryInfo, RepositoryPage } from "../../model/generated/api.gen.ts";
import { repositoryName } from "../../model/inbox/inbox.ts";
import { plain } from "../../model/plain.ts";
import { Icon } from "../../parts/content/icon.tsx";
import { Button } from "../../parts/controls/button.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { useApp } from "../../state/app.ts";
import type { ChoiceSheetProps } from "./choice_sheet.tsx";

const PAUSE_MS = 250;

export function RepositorySheet({ choices, onChange, onClose }: ChoiceSheetProps) {
  const { inbox } = useApp();
  const text = useSignal("");
  const forge = useForgeRepositories(text.value);
  const choose = (repository: string, base = "") => {
    onChange({ repository, base });
    onClose();
  };
  const used = [...new Set(inbox.lines.value.map((line) => line.repository ?? ""))]
    .filter((url) => url !== "" && url.toLowerCase().includes(text.value.trim().toLowerCase()))
    .slice(0, 8);
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
      <Group name="Used before">
        {used.map((url) => (
          <Repository
            key={url}
            name={repositoryName(url)}
            about={url}
            isChosen={url === choices.repository}
            onChoose={() => choose(url)}
          />
        ))}
      </Group>
      <Group name="At the forge">
        {forge.value.map((repository) => (
          <Repository
            key={repository.clone_url}
            name={repository.full_name}
            about={repository.description ?? (repository.private ? "Private" : "Public")}
            isChosen={repository.clone_url === choices.repository}
            onChoose={() => choose(repository.clone_url)}
          />
        ))}
      </Group>
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

function Group({ name, children }: { name: string; children: preact.VNode[] }) {
  if (children.length === 0) return null;
  return (
    <section class="sheet-group">
      <h3 class="soft small">{name}</h3>
      <ul>{children}</ul>
    </section>
  );
}

interface RepositoryProps {
  name: string;
  about: string;
  isChosen: boolean;
  onChoose: () => void;
}

function Repository({ name, about, isChosen, onChoose }: RepositoryProps) {
  return (
    <li>
      <button type="button" class="option" aria-pressed={isChosen} onClick={onChoose}>
        <span>
          <span class="wrap">{plain(name)}</span>
          <span class="soft small wrap">{plain(about)}</span>
        </span>
        {isChosen && <Icon name="check" label="Chosen" />}
      </button>
    </li>
  );
}
