// What a new task can begin with: another task, or what another app shared.

import type { TaskChoices } from "../../model/compose/new_task.ts";
import type { TaskState } from "../../model/generated/api.gen.ts";
import { addImages } from "../../parts/content/images.tsx";
import type { App } from "../../state/app.ts";
import type { Draft } from "../../state/device/drafts.ts";

const SHARED = "shared-with-errand";

interface Beginning {
  prompt: string;
  choices: Partial<TaskChoices>;
}

/** The prompt and the choices of another task; null where there is none to be had. */
export async function choicesLike(app: App, task: string): Promise<Beginning | null> {
  if (task === "") return null;
  try {
    const state = await app.api.get<TaskState>(`/v1/tasks/${encodeURIComponent(task)}`);
    return {
      prompt: state.prompt,
      choices: {
        repository: state.repository.url,
        base: state.repository.base ?? "",
        model: state.model,
      },
    };
  } catch {
    return null;
  }
}

/** Put what was shared into the draft, once. */
export async function takeShared(draft: Draft): Promise<void> {
  await draft.ready;
  const cache = await caches.open(SHARED);
  for (const request of await cache.keys()) {
    const shared = await cache.match(request);
    if (shared === undefined) continue;
    if (new URL(request.url).pathname === "/shared/text") {
      const text = await shared.text();
      draft.text.value = [draft.text.value, text].filter((part) => part !== "").join("\n");
    } else {
      await addImages(draft, [await shared.blob()]);
    }
    await cache.delete(request);
  }
}
