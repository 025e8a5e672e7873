// Hosts that commands wanted to reach: one row per host, whose count grows until it is allowed.
import type { Changes } from "./draft.ts";
import type { DeniedRow } from "./rows.ts";

export const egressChanges: Changes = {
  "egress.denied": (draft, event) => {
    const { host, port, count, reason = "rules" } = event;
    const found = draft.findLast(
      "denied",
      (row) => row.host === host && row.port === port && row.reason === reason,
    );
    if (found !== null && found[1].allowed === null) {
      const [place, row] = found;
      draft.change<DeniedRow>(place, row, event.version, { count: row.count + count });
    } else {
      draft.add({ ...draft.base(event), kind: "denied", host, port, count, reason, allowed: null });
    }
  },
  "egress.allowed": (draft, event) => {
    const { host, port, by, at, version } = event;
    const found = draft.findLast(
      "denied",
      (row) =>
        row.host === host && row.port === port && row.reason === "rules" && row.allowed === null,
    );
    if (found !== null) {
      draft.change<DeniedRow>(found[0], found[1], version, { allowed: { by, at, version } });
    } else {
      draft.add({ ...draft.base(event), kind: "allowed", by, host, port });
    }
  },
};
