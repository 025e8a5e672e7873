// The person's templates and quick replies: asked for once a screen shows them, and again on each connection.
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Api } from "../line/api.ts";
import type { Template, TemplateList, TemplateRequest } from "../model/generated/api.gen.ts";

const PATH = "/v1/me/templates";

export interface Templates {
  /** Null until they are known. */
  readonly list: ReadonlySignal<readonly Template[] | null>;
  /** Ask for them; throws ProblemError. */
  load(): Promise<void>;
  /** Store a new one (`template` empty), or the new content of one; throws ProblemError. */
  save(template: string, content: TemplateRequest): Promise<void>;
  remove(template: string): Promise<void>;
  connected(): void;
  clear(): void;
}

export function createTemplates(api: Api): Templates {
  const list = signal<readonly Template[] | null>(null);
  let isWanted = false;
  const load = async () => {
    isWanted = true;
    list.value = (await api.get<TemplateList>(PATH)).data;
  };
  return {
    list,
    load,
    async save(template, content) {
      if (template === "") await api.post(PATH, content);
      else await api.put(`${PATH}/${template}`, content);
      await load();
    },
    async remove(template) {
      await api.delete(`${PATH}/${template}`);
      await load();
    },
    connected() {
      if (isWanted) load().catch(() => {}); // those that are known stay
    },
    clear() {
      list.value = null;
      isWanted = false;
    },
  };
}
