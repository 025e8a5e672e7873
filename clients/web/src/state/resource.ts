// An answer of the gateway that a page shows: loading, here, or failed, and how to have it again.
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useCallback, useEffect } from "preact/hooks";
import type { Query } from "../line/api.ts";
import { messageOf } from "../line/api.ts";
import { useApp } from "./app.ts";

export interface Resource<T> {
  readonly data: ReadonlySignal<T | null>;
  /** A sentence; empty when nothing is wrong. The last data stays. */
  readonly failure: ReadonlySignal<string>;
  reload(): Promise<void>;
}

/** Get a path when the page is shown, and again on `reload`. */
export function useResource<T>(path: string, query: Query = {}): Resource<T> {
  const { api } = useApp();
  const data = useSignal<T | null>(null);
  const failure = useSignal("");
  const wanted = JSON.stringify(query);
  const reload = useCallback(async () => {
    try {
      data.value = await api.get<T>(path, JSON.parse(wanted) as Query);
      failure.value = "";
    } catch (error) {
      failure.value = messageOf(error);
    }
  }, [path, wanted]);
  useEffect(() => {
    void reload();
  }, [reload]);
  return { data, failure, reload };
}
