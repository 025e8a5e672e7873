// Sharing a task: what a stranger may see, for how long, and the links there are.
import { useSignal } from "@preact/signals";
import type { NewShare, Share, SharedParts, ShareList } from "../../model/generated/api.gen.ts";
import { ago, exactTime } from "../../model/words/words.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Choice, Switch } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { Sheet } from "../../parts/frame/sheet.tsx";
import { toast } from "../../parts/frame/toast.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";
import "./shared.css";

const PARTS: readonly { part: keyof SharedParts; name: string; help: string }[] = [
  { part: "commands", name: "Commands", help: "What the agent ran, without what it printed." },
  { part: "outputs", name: "Output", help: "What the commands printed." },
  { part: "diffs", name: "Changes", help: "Changed files, line by line." },
  { part: "costs", name: "Costs", help: "Money and tokens." },
];
const DAY_MS = 86_400_000;
const SPANS = [
  { value: "1", name: "A day" },
  { value: "7", name: "A week" },
  { value: "30", name: "A month" },
  { value: "", name: "Until I end it" },
] as const;

export function ShareSheet({ task, onClose }: { task: string; onClose: () => void }) {
  const { api, clock } = useApp();
  const shares = useResource<ShareList>(`/v1/tasks/${encodeURIComponent(task)}/shares`);
  const parts = useSignal<SharedParts>({ commands: true });
  const isLive = useSignal(false);
  const days = useSignal<(typeof SPANS)[number]["value"]>("7");
  const made = useSignal("");
  const failure = useSignal("");
  const share = async () => {
    const until = Number(days.value) * DAY_MS + clock.now.value;
    const expires = days.value === "" ? {} : { expires_at: new Date(until).toISOString() };
    const wish = { parts: parts.value, is_live: isLive.value, ...expires };
    await attempt(async () => {
      const link = await api.post<NewShare>(`/v1/tasks/${encodeURIComponent(task)}/shares`, wish);
      made.value = link.url;
      void shares.reload();
    }, failure);
  };
  return (
    <Sheet
      title="Share this task"
      onClose={onClose}
      actions={
        <Button look="main" icon="link" onPress={() => void share()}>
          Make a link
        </Button>
      }
    >
      <p class="soft">
        Whoever has the link can look at the task, without an account. What was said is always
        shown; secrets, people and machines never are.
      </p>
      {made.value && <Made url={made.value} />}
      {failure.value && <p class="field-error">{failure.value}</p>}
      {PARTS.map(({ part, name, help }) => (
        <Switch
          key={part}
          label={name}
          help={help}
          on={parts.value[part] ?? false}
          onChange={(on) => {
            parts.value = { ...parts.value, [part]: on };
          }}
        />
      ))}
      <Switch
        label="Goes on with the task"
        help="Off: the link shows it as it stands now."
        on={isLive.value}
        onChange={(on) => {
          isLive.value = on;
        }}
      />
      <Choice
        label="For how long"
        value={days.value}
        options={SPANS}
        onChange={(chosen) => {
          days.value = chosen;
        }}
      />
      <ResourceView of={shares}>
        {(list) => <Links shares={list.data} onEnded={() => void shares.reload()} />}
      </ResourceView>
    </Sheet>
  );
}

function Made({ url }: { url: string }) {
  const send = async () => {
    if (navigator.share !== undefined) await navigator.share({ url }).catch(() => {});
    else await navigator.clipboard.writeText(url).then(() => toast({ text: "Copied." }));
  };
  return (
    <div class="share-made">
      <p>This is the only time that the link is shown.</p>
      <code class="wrap">{url}</code>
      <Button icon="share" onPress={() => void send()}>
        Send or copy it
      </Button>
    </div>
  );
}

function Links({ shares, onEnded }: { shares: readonly Share[]; onEnded: () => void }) {
  const { api, clock } = useApp();
  const open = shares.filter((share) => share.revoked_at === null);
  if (open.length === 0) return null;
  const end = async (share: Share) => {
    await attempt(async () => {
      await api.delete(`/v1/shares/${share.share}`);
      onEnded();
    });
  };
  return (
    <section class="share-links">
      <h3>Links that work</h3>
      <ul>
        {open.map((share) => (
          <li key={share.share}>
            <span class="small">
              Made {ago(share.created_at, clock.now.value)} ·{" "}
              {share.views === 1 ? "opened once" : `opened ${share.views} times`}
              {share.expires_at && ` · until ${exactTime(share.expires_at)}`}
            </span>
            <Button look="quiet" onPress={() => void end(share)}>
              End it
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
