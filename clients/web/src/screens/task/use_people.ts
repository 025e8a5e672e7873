// Who looks, for words like "You".
import type { People } from "../../model/words/words.ts";
import { useApp } from "../../state/app.ts";

export function usePeople(): People {
  return { me: useApp().session.me.value?.person ?? "" };
}
