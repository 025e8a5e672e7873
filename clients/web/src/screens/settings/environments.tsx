// Environments of repositories: which definition is in force and why, its script and network, packs.
import { useSignal } from "@preact/signals";
import { useCallback } from "preact/hooks";
import type {
  EnvironmentList,
  EnvironmentRequest,
  RepositoryEnvironment,
} from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { ENGLISH, size } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Field } from "../../parts/controls/field.tsx";
import { Empty } from "../../parts/frame/notice.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

const REACH = [
  { value: "off", name: "No network" },
  {
    value: "registries",
    name: "Package registries",
    help: "PyPI, npm, Go, crates.io and the like.",
  },
  {
    value: "open",
    name: "Any public host",
    help: "What the agent reads can then leave the sandbox.",
  },
] as const;

export function Environments() {
  const list = useResource<EnvironmentList>("/v1/environments");
  return (
    <ResourceView of={list}>
      {({ data }) =>
        data.length === 0 ? (
          <Empty icon="machine" title="No repository was set up yet">
            The first task on a repository finds out how it is set up.
          </Empty>
        ) : (
          data.map((each) => (
            <Environment key={each.id} found={each} onChanged={() => void list.reload()} />
          ))
        )
      }
    </ResourceView>
  );
}

interface EnvironmentProps {
  readonly found: RepositoryEnvironment;
  readonly onChanged: () => void;
}

function Environment({ found, onChanged }: EnvironmentProps) {
  const { api } = useApp();
  const isEdited = useSignal(false);
  const path = `/v1/repositories/${found.id}/environment`;
  const change = useCallback(
    async (work: () => Promise<unknown>) => {
      try {
        await work();
        isEdited.value = false;
        onChanged();
      } catch (error) {
        toast({ text: error instanceof Error ? error.message : String(error), isBad: true });
      }
    },
    [onChanged, isEdited],
  );
  const bytes = found.packs.reduce((sum, pack) => sum + pack.size_bytes, 0);
  return (
    <section class="settings-section">
      <h2 class="wrap">{plain(found.url.replace(/^https?:\/\//, ""))}</h2>
      <p class="soft small wrap">{ENGLISH.setupWhy(plain(found.reason))}</p>
      {isEdited.value ? (
        <Editor found={found} onSave={(wanted) => change(() => api.put(path, wanted))} />
      ) : (
        <>
          {found.definition?.setup && (
            <pre class="story-output">{plain(found.definition.setup)}</pre>
          )}
          <Button
            onPress={() => {
              isEdited.value = true;
            }}
          >
            Change
          </Button>
        </>
      )}
      {found.settings !== null && (
        <Button look="quiet" onPress={() => void change(() => api.delete(path))}>
          Go by the repository again
        </Button>
      )}
      {found.packs.length > 0 && (
        <Button look="quiet" onPress={() => void change(() => api.delete(`${path}/packs`))}>
          Drop what is kept of set-ups ({size(bytes)})
        </Button>
      )}
    </section>
  );
}

interface EditorProps {
  readonly found: RepositoryEnvironment;
  readonly onSave: (wanted: EnvironmentRequest) => Promise<void>;
}

function Editor({ found, onSave }: EditorProps) {
  const before = found.definition ?? {};
  const setup = useSignal(before.setup ?? "");
  const egress = useSignal(before.egress ?? "registries");
  const agentEgress = useSignal(before.agent_egress ?? "off");
  const allow = useSignal((before.allow ?? []).join(" "));
  const isBusy = useSignal(false);
  const save = async () => {
    isBusy.value = true;
    const hosts = allow.value.split(/[\s,]+/).filter((host) => host !== "");
    const wanted = {
      ...before,
      setup: setup.value,
      egress: egress.value,
      agent_egress: agentEgress.value,
      allow: hosts,
    };
    await onSave(wanted);
    isBusy.value = false;
  };
  return (
    <>
      <label class="field">
        Set-up script
        <textarea
          class="code"
          rows={5}
          spellcheck={false}
          autocapitalize="none"
          value={setup.value}
          onInput={(event) => {
            setup.value = event.currentTarget.value;
          }}
        />
      </label>
      <Choice
        label="What set-up reaches"
        value={egress.value}
        options={REACH}
        onChange={(chosen) => {
          egress.value = chosen;
        }}
      />
      <Choice
        label="What the agent reaches"
        value={agentEgress.value}
        options={REACH}
        onChange={(chosen) => {
          agentEgress.value = chosen;
        }}
      />
      <Field
        label="Further hosts for both"
        value={allow.value}
        placeholder="api.example.com"
        isCode
        onInput={(typed) => {
          allow.value = typed;
        }}
      />
      <Button look="main" busy={isBusy.value} onPress={() => void save()}>
        Save for all tasks
      </Button>
    </>
  );
}
