// A story in the making: rows that may be replaced, and what later events need to know.
import type { StoredEvent } from "../generated/events.gen.ts";
import type { Call, ClosedBy, Row, ToolsRow } from "./rows.ts";

/** What later events need: places of rows that are still open, and calls that have no row yet. */
export interface Context {
  /** Calls that show as something else (plan, question, submission) as long as they go well. */
  readonly quiet: readonly Call[];
  readonly thinking: string;
  readonly openAsks: readonly number[];
  /** Approvals whose call has neither begun nor been refused yet. */
  readonly unactedApprovals: readonly number[];
  readonly waitingInstructions: readonly number[];
  readonly left: { readonly reason: string; readonly detail: string } | null;
}

export type EventOf<Type extends StoredEvent["type"]> = Extract<StoredEvent, { type: Type }>;
export type Changes = { readonly [T in StoredEvent["type"]]?: (d: Draft, e: EventOf<T>) => void };

/** The calls of one row: it is made again with each of them, and may be opened to show all. */
const MAX_CALLS = 50;

export class Draft {
  constructor(
    readonly rows: Row[],
    public context: Context,
  ) {}

  static beginning(): Context {
    return {
      quiet: [],
      thinking: "",
      openAsks: [],
      unactedApprovals: [],
      waitingInstructions: [],
      left: null,
    };
  }

  /** What every row begins with. */
  base(event: StoredEvent): { key: string; from: number; to: number; at: string } {
    return { key: `v${event.version}`, from: event.version, to: event.version, at: event.at };
  }

  /** Add a row; return its place. */
  add(row: Row): number {
    return this.rows.push(row) - 1;
  }

  note(changes: Partial<Context>): void {
    this.context = { ...this.context, ...changes };
  }

  /** Replace the row at a place by one that is changed and reaches to `version`. */
  change<R extends Row>(place: number, row: R, version: number, changes: Partial<R>): void {
    this.rows[place] = { ...row, ...changes, to: version };
  }

  /** Find the newest row of a kind that fits. */
  findLast<K extends Row["kind"]>(
    kind: K,
    fits: (row: Extract<Row, { kind: K }>) => boolean = () => true,
  ): [number, Extract<Row, { kind: K }>] | null {
    for (let place = this.rows.length - 1; place >= 0; place--) {
      const row = this.rows[place]!;
      if (row.kind === kind) {
        const found = row as Extract<Row, { kind: K }>;
        if (fits(found)) return [place, found];
      }
    }
    return null;
  }

  /** Change a call wherever it stands. False when no row has it. */
  changeCall(call: string, version: number, changes: Partial<Call>): boolean {
    const found = this.findLast("tools", (row) => row.calls.some((each) => each.call === call));
    if (found === null) return false;
    const [place, row] = found;
    const calls = row.calls.map((each) =>
      each.call === call ? { ...each, ...changes, to: version } : each,
    );
    this.change<ToolsRow>(place, row, version, { calls });
    return true;
  }

  /** Put a call at the end of the run of calls, or begin one: also where that one is long. */
  addCall(event: StoredEvent, call: Call): void {
    const place = this.rows.length - 1;
    const last = this.rows[place];
    if (last?.kind === "tools" && last.calls.length < MAX_CALLS) {
      this.change<ToolsRow>(place, last, event.version, { calls: [...last.calls, call] });
    } else {
      this.add({ ...this.base(event), kind: "tools", calls: [call] });
    }
  }

  /** Close the open questions and approvals that fit: they can be answered no more. */
  closeAsks(version: number, closed: ClosedBy, fits: (call: string) => boolean = () => true): void {
    const left: number[] = [];
    for (const place of this.context.openAsks) {
      const row = this.rows[place];
      if (row?.kind !== "question" && row?.kind !== "approval") continue;
      if (!fits(row.call)) left.push(place);
      else this.rows[place] = { ...row, closed, to: version };
    }
    if (left.length < this.context.openAsks.length) this.note({ openAsks: left });
  }
}
