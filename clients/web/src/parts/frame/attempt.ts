// Something that may fail, such as a request: the person reads why, where they look.
import { messageOf } from "../../line/api.ts";
import { toast } from "./toast.tsx";

/** Do it; what went wrong stands in `failure`, else in a toast. */
export async function attempt(
  work: () => Promise<unknown>,
  failure?: { value: string },
): Promise<void> {
  try {
    await work();
    if (failure) failure.value = "";
  } catch (error) {
    const text = messageOf(error);
    if (failure) failure.value = text;
    else toast({ text, isBad: true });
  }
}
