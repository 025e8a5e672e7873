// Images of a command: uploaded before it is sent, from the draft that waits with it.
import type { Api } from "../../line/api.ts";
import type { AttachmentRequest, UploadedAttachment } from "../../model/generated/api.gen.ts";
import type { Command } from "../../model/protocol/receipt.ts";
import type { Store } from "../../store/store.ts";
import { sentKey } from "./drafts.ts";

const UPLOAD_TIMEOUT_MS = 120_000;

/** The command with its images uploaded and named in it. Throws ProblemError. */
export async function withImages(api: Api, store: Store, command: Command): Promise<Command> {
  const draft = await store.draft(sentKey(command.id));
  const attachments: AttachmentRequest[] = [];
  for (const { id, name } of draft?.images ?? []) {
    const blob = await store.blob(id);
    if (blob === null) continue;
    const options = { body: blob, timeoutMs: UPLOAD_TIMEOUT_MS };
    const response = await api.request("POST", "/v1/attachments", options);
    const uploaded = (await response.json()) as UploadedAttachment;
    attachments.push({ id: uploaded.id, name });
  }
  const { hasImages: _, ...ready } = command;
  return { ...ready, args: { ...command.args, attachments } as Command["args"] };
}
