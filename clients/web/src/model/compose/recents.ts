// The choices of the person's newest tasks, to choose from again. Pure.
import type { Recents } from "../generated/api.gen.ts";

const MAX_REPOSITORIES = 8;

/** Repositories used before that fit what is searched for: one's own first, then the account's. */
export function usedRepositories(
  recents: Recents | null,
  lines: readonly { readonly repository?: string }[],
  search: string,
): readonly string[] {
  const own = recents?.repositories.map(({ url }) => url) ?? [];
  const known = [...own, ...lines.map((line) => line.repository ?? "")];
  const wanted = search.trim().toLowerCase();
  return [...new Set(known)]
    .filter((url) => url !== "" && url.toLowerCase().includes(wanted))
    .slice(0, MAX_REPOSITORIES);
}

/** The branches that tasks on this repository began from. */
export function usedBranches(recents: Recents | null, repository: string): readonly string[] {
  return recents?.repositories.find(({ url }) => url === repository)?.branches ?? [];
}
