// Pictures made small enough to be sent: at most so many pixels on the longer edge.

const MAX_EDGE_PX = 1568; // what the model looks at; more is scaled down there
const MAX_BYTES = 5 * 1024 * 1024;
const QUALITY = 0.85;
const ACCEPTED = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);

/** Shrink a picture. Throws an Error with cause and remedy when it cannot be sent. */
export async function shrink(picture: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(picture).catch(() => {
    throw new Error(
      "This file is not a picture that can be read. Choose a PNG, JPEG, WebP or GIF.",
    );
  });
  const scale = Math.min(1, MAX_EDGE_PX / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && picture.size <= MAX_BYTES && ACCEPTED.has(picture.type)) {
    bitmap.close();
    return picture;
  }
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)),
  );
  canvas.getContext("2d")!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const isDrawing = picture.type === "image/png";
  const shrunk = await canvas.convertToBlob(isDrawing ? { type: "image/png" } : jpeg());
  return shrunk.size <= MAX_BYTES ? shrunk : canvas.convertToBlob(jpeg());
}

function jpeg(): ImageEncodeOptions {
  return { type: "image/jpeg", quality: QUALITY };
}
