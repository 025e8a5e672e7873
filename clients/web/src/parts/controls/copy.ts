// Copy text, and say so.
import { toast } from "../frame/toast.tsx";

export async function copyText(text: string, what = "Copied."): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast({ text: what, seconds: 3 });
  } catch {
    toast({
      text: "This browser does not let the app copy. Select the text instead.",
      isBad: true,
    });
  }
}
