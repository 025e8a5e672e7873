// A patch: one column of numbers (the new file's), the words that changed marked, code coloured.
import { signal } from "@preact/signals";
import { useCallback, useMemo } from "preact/hooks";
import { type DiffLine, type Hunk, parseDiff } from "../../model/changes/diff.ts";
import type { Mark } from "../../model/changes/word_marks.ts";
import { plain } from "../../model/plain.ts";
import type { CodePiece } from "../../text/highlight.ts";
import { useLongPress } from "../controls/long_press.ts";
import "./diff.css";

export interface ChosenLine {
  /** All lines of the patch; their number is the new file's, 0 for one that is gone. */
  readonly lines: readonly DiffLine[];
  /** Where it stands among them. */
  readonly place: number;
}

interface DiffProps {
  patch: string;
  path: string;
  isWrapped: boolean;
  /** A line was pressed long, or its number was. */
  onLine: (line: ChosenLine) => void;
}

export function Diff({ patch, path, isWrapped, onLine }: DiffProps) {
  const files = useMemo(() => parseDiff(patch), [patch]);
  const lines = useMemo(
    () => files.flatMap((file) => file.hunks.flatMap((hunk) => hunk.lines)),
    [files],
  );
  const choose = useCallback(
    (line: DiffLine) => onLine({ lines, place: lines.indexOf(line) }),
    [lines, onLine],
  );
  const isOnlySpace = files.length > 0 && files.every((file) => file.isWhitespaceOnly);
  return (
    <>
      {isOnlySpace && <p class="soft small">Only white space has changed.</p>}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys of the numbers within it */}
      <div class={isWrapped ? "diff wrapped" : "diff"} onKeyDown={moveWithArrows}>
        {files.flatMap((file) =>
          file.hunks.map((hunk) => (
            <HunkView
              key={`${file.path} ${hunk.newStart} ${hunk.oldStart}`}
              hunk={hunk}
              path={path}
              first={lines[0]}
              onLine={choose}
            />
          )),
        )}
      </div>
    </>
  );
}

/** The numbers are one stop of the Tab key: from there the arrows go up and down. */
function moveWithArrows(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const numbers = [...event.currentTarget.querySelectorAll<HTMLElement>(".diff-number")];
  const place = numbers.indexOf(event.target as HTMLElement);
  if (step === undefined || place < 0) return;
  event.preventDefault();
  numbers[place + step]?.focus();
}

interface HunkProps {
  hunk: Hunk;
  path: string;
  /** The first line of the patch. */
  first: DiffLine | undefined;
  onLine: (line: DiffLine) => void;
}

function HunkView({ hunk, path, first, onLine }: HunkProps) {
  const { marks, pieces } = useColours(hunk, path);
  return (
    <section class="diff-hunk">
      {hunk.heading !== "" && <p class="diff-heading soft">{plain(hunk.heading)}</p>}
      {hunk.lines.map((line, place) => (
        <LineView
          key={place}
          line={line}
          marks={marks.get(place)}
          pieces={pieces[place]}
          isFirst={line === first}
          onLine={onLine}
        />
      ))}
    </section>
  );
}

const SIGNS = { added: "+", removed: "−", context: " ", note: " " } as const;

interface LineProps {
  line: DiffLine;
  marks: readonly Mark[] | undefined;
  pieces: readonly CodePiece[] | undefined;
  isFirst: boolean;
  onLine: (line: DiffLine) => void;
}

function LineView({ line, marks, pieces, isFirst, onLine }: LineProps) {
  const choose = useCallback(() => onLine(line), [line, onLine]);
  const pressing = useLongPress(choose);
  return (
    <div class={`diff-row ${line.kind}`} {...pressing}>
      <button
        type="button"
        class="diff-number numbers"
        tabIndex={isFirst ? 0 : -1}
        aria-label={`Line ${line.number || "that is gone"}: copy, ask, or see who made it`}
        onClick={choose}
      >
        {line.number || ""}
      </button>
      <code>
        <span class="diff-sign">{SIGNS[line.kind]}</span>
        {marks !== undefined ? marked(line.text, marks) : coloured(line.text, pieces)}
      </code>
    </div>
  );
}

function marked(text: string, marks: readonly Mark[]) {
  let at = 0;
  const parts = marks.flatMap(([from, to]) => {
    const before = plain(text.slice(at, from));
    at = to;
    return [before, <mark key={from}>{plain(text.slice(from, to))}</mark>];
  });
  return [...parts, plain(text.slice(at))];
}

function coloured(text: string, pieces: readonly CodePiece[] | undefined) {
  if (pieces === undefined) return plain(text);
  return pieces.map((piece, place) => (
    <span key={place} class={piece.type && `code-${piece.type}`}>
      {plain(piece.text)}
    </span>
  ));
}

type Painter = typeof import("../../text/paint.ts");
const painter = signal<Painter | null>(null);
let isAsked = false;
const NO_COLOURS = { marks: new Map<number, readonly Mark[]>(), pieces: [] as const };

/** Marks and colours, as soon as that part of the app is here; the text is there at once. */
function useColours(hunk: Hunk, path: string) {
  const paint = painter.value;
  if (!isAsked) {
    isAsked = true;
    import("../../text/paint.ts").then(
      (module) => {
        painter.value = module;
      },
      () => {
        isAsked = false;
      },
    );
  }
  const rules = paint?.rulesOfFile(path).value ?? null;
  return useMemo(() => paint?.paintHunk(hunk, rules) ?? NO_COLOURS, [paint, hunk, rules]);
}
