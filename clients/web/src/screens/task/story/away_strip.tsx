// What happened while the person was away, computed from the log: above the line "new".
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Digest, digestOf } from "../../../model/inbox/digest.ts";
import { useApp } from "../../../state/app.ts";
import type { TaskView } from "../../../state/tasks/tasks.ts";
import { usePeople } from "../use_people.ts";
import type { OpenTask } from "../use_task.ts";

export function AwayStrip({ task: { view } }: { task: OpenTask }) {
  const { router } = useApp();
  const digest = useDigest(view);
  return (
    <section class="story-away">
      <strong>{digest?.title ?? "While you were away"}</strong>
      <p class="numbers">
        {digest === null && "…"}
        {digest?.facts.map(({ kind, words, version }, place) => (
          <span key={kind}>
            {place > 0 && " · "}
            {version === 0 ? (
              words
            ) : (
              <button
                type="button"
                class="text-link"
                onClick={() => router.go(`/t/${view.id}#v${version}`, { replace: true })}
              >
                {words}
              </button>
            )}
          </span>
        ))}
      </p>
    </section>
  );
}

/** null: the state of then is not here (yet); the rows tell it all the same. */
function useDigest(view: TaskView): Digest | null {
  const { clock } = useApp();
  const people = usePeople();
  const digest = useSignal<Digest | null>(null);
  useEffect(() => {
    let isCurrent = true;
    view.at(view.firstUnseen - 1).then(
      ({ state: seen }) => {
        const head = view.state.peek();
        if (!isCurrent || head === null) return;
        const events = view.events.peek();
        digest.value = digestOf({ seen, head, events, people, now: clock.now.peek() });
      },
      () => {},
    );
    return () => {
      isCurrent = false;
    };
  }, [view]);
  return digest.value;
}
