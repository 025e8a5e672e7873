// Pictures of a draft: picked, pasted or shared; shrunk, shown small, and taken out again.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { size } from "../../model/words/words.ts";
import type { Draft, DraftImage } from "../../state/device/drafts.ts";
import { IconButton } from "../controls/button.tsx";
import { attempt } from "../frame/attempt.ts";
import { toast } from "../frame/toast.tsx";
import { shrink } from "./shrink.ts";
import "./images.css";

const MAX_IMAGES = 10;

/** Add pictures to a draft; what cannot be taken is said. */
export async function addImages(draft: Draft, files: Iterable<Blob>): Promise<void> {
  for (const file of files) {
    if (draft.images.value.length >= MAX_IMAGES) {
      toast({ text: `A message can have ${MAX_IMAGES} pictures. Send the others with the next.` });
      return;
    }
    await attempt(async () => {
      const blob = await shrink(file);
      const name = file instanceof File ? file.name : "Picture";
      draft.images.value = [...draft.images.value, { id: crypto.randomUUID(), name, blob }];
    });
  }
}

/** Take the pictures of a paste; text is left to the text box. */
export function pastedImages(event: ClipboardEvent, draft: Draft): void {
  const files = [...(event.clipboardData?.files ?? [])];
  const pictures = files.filter((file) => file.type.startsWith("image/"));
  if (pictures.length === 0) return;
  event.preventDefault();
  void addImages(draft, pictures);
}

export function PickImages({ draft }: { draft: Draft }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton icon="image" label="Add pictures" onPress={() => picker.current?.click()} />
      <input
        ref={picker}
        hidden
        type="file"
        accept="image/png,image/jpeg,image/webp,image/gif"
        multiple
        onChange={(event) => {
          void addImages(draft, [...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

export function ImageRow({ draft }: { draft: Draft }) {
  const images = draft.images.value;
  if (images.length === 0) return null;
  return (
    <ul class="image-row">
      {images.map((image) => (
        <Picture
          key={image.id}
          image={image}
          onRemove={() => {
            draft.images.value = draft.images.value.filter(({ id }) => id !== image.id);
          }}
        />
      ))}
    </ul>
  );
}

function Picture({ image, onRemove }: { image: DraftImage; onRemove: () => void }) {
  const address = useMemo(() => URL.createObjectURL(image.blob), [image.blob]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  return (
    <li>
      <img src={address} alt={image.name} />
      <span class="soft small numbers">{size(image.blob.size)}</span>
      <IconButton icon="close" label={`Remove ${image.name}`} onPress={onRemove} />
    </li>
  );
}
