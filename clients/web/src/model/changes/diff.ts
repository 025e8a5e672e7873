// Unified patches as files, hunks and lines with one column of numbers: those of the new file.

export type LineKind = "context" | "added" | "removed" | "note";

export interface DiffLine {
  readonly kind: LineKind;
  readonly text: string;
  /** The line's number in the new file; 0 for what is no longer in it. */
  readonly number: number;
}

export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  /** What git says the hunk is in: a function, a class. */
  readonly heading: string;
  readonly lines: readonly DiffLine[];
}

export type Change = "added" | "deleted" | "modified" | "renamed";

export interface FileDiff {
  readonly path: string;
  readonly previousPath: string;
  readonly change: Change;
  readonly isBinary: boolean;
  readonly isWhitespaceOnly: boolean;
  readonly insertions: number;
  readonly deletions: number;
  readonly hunks: readonly Hunk[];
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/;
const LINES_PER_CHUNK = 4_000;

/** Parse a whole patch. */
export function parseDiff(patch: string): readonly FileDiff[] {
  let files: readonly FileDiff[] = [];
  for (const chunk of parseDiffInChunks(patch, Number.POSITIVE_INFINITY)) files = chunk;
  return files;
}

/** Parse a huge patch piece by piece: each step has the files that are whole; the last has all. */
export function* parseDiffInChunks(
  patch: string,
  linesPerChunk = LINES_PER_CHUNK,
): Generator<readonly FileDiff[]> {
  const parser = new Parser();
  let place = 0;
  let read = 0;
  while (place < patch.length) {
    const end = patch.indexOf("\n", place);
    const line = patch.slice(place, end < 0 ? patch.length : end);
    parser.feed(line.endsWith("\r") && !parser.isInHunk ? line.slice(0, -1) : line);
    place = end < 0 ? patch.length : end + 1;
    read += 1;
    if (read % linesPerChunk === 0) yield [...parser.files];
  }
  parser.finish();
  yield parser.files;
}

interface OpenFile {
  path: string;
  previousPath: string;
  change: Change;
  isBinary: boolean;
  hunks: Hunk[];
}

class Parser {
  readonly files: FileDiff[] = [];
  private file: OpenFile | null = null;
  private hunk: { head: Omit<Hunk, "lines">; lines: DiffLine[] } | null = null;
  private oldLeft = 0;
  private newLeft = 0;
  private number = 0;

  get isInHunk(): boolean {
    return this.oldLeft > 0 || this.newLeft > 0;
  }

  feed(line: string): void {
    if (this.isInHunk && this.inHunk(line)) return;
    if (line.startsWith("\\")) this.add("note", line.slice(1).trim(), 0);
    else if (line.startsWith("diff ")) this.begin(line);
    else if (line.startsWith("@@")) this.beginHunk(line);
    else this.header(line);
  }

  finish(): void {
    this.endHunk();
    if (this.file !== null) this.files.push(closed(this.file));
    this.file = null;
  }

  private inHunk(line: string): boolean {
    const text = line.slice(1);
    if (line.startsWith("+")) {
      this.newLeft -= 1;
      this.add("added", text, this.number++);
    } else if (line.startsWith("-")) {
      this.oldLeft -= 1;
      this.add("removed", text, 0);
    } else if (line.startsWith(" ") || line === "") {
      this.oldLeft -= 1;
      this.newLeft -= 1;
      this.add("context", text, this.number++);
    } else if (line.startsWith("\\")) {
      this.add("note", text.trim(), 0);
    } else {
      this.oldLeft = this.newLeft = 0; // the patch was cut here
      return false;
    }
    return true;
  }

  private add(kind: LineKind, text: string, number: number): void {
    this.hunk?.lines.push({ kind, text, number });
  }

  private begin(line: string): void {
    this.finish();
    const paths = /^diff --git "?a\/(.*?)"? "?b\/(.*?)"?$/.exec(line);
    this.file = open(paths?.[2] ?? "", paths?.[1] ?? "");
  }

  private beginHunk(line: string): void {
    const found = HUNK.exec(line);
    if (found === null) return;
    this.endHunk();
    this.file ??= open("", "");
    const [, oldStart, oldLines = "1", newStart, newLines = "1", heading = ""] = found;
    this.oldLeft = Number(oldLines);
    this.newLeft = Number(newLines);
    this.number = Number(newStart);
    const head = {
      oldStart: Number(oldStart),
      oldLines: this.oldLeft,
      newStart: this.number,
      newLines: this.newLeft,
      heading,
    };
    this.hunk = { head, lines: [] };
  }

  private endHunk(): void {
    if (this.hunk !== null) this.file?.hunks.push({ ...this.hunk.head, lines: this.hunk.lines });
    this.hunk = null;
    this.oldLeft = this.newLeft = 0;
  }

  private header(line: string): void {
    if (line.startsWith("--- ")) {
      if (this.file === null || this.hunk !== null) {
        this.finish();
        this.file = open("", "");
      }
      const path = pathOf(line.slice(4));
      if (path === null) this.file.change = "added";
      else this.file.previousPath = path;
    } else if (this.file !== null) {
      this.detail(this.file, line);
    }
  }

  private detail(file: OpenFile, line: string): void {
    if (line.startsWith("+++ ")) {
      const path = pathOf(line.slice(4));
      if (path === null) file.change = "deleted";
      file.path = path ?? file.previousPath;
    } else if (line.startsWith("new file mode")) file.change = "added";
    else if (line.startsWith("deleted file mode")) file.change = "deleted";
    else if (line.startsWith("rename from ")) file.previousPath = line.slice(12);
    else if (line.startsWith("rename to ")) {
      file.path = line.slice(10);
      file.change = "renamed";
    } else if (/^(?:Binary files .* differ|GIT binary patch)$/.test(line)) file.isBinary = true;
  }
}

function open(path: string, previousPath: string): OpenFile {
  return { path, previousPath, change: "modified", isBinary: false, hunks: [] };
}

function closed(file: OpenFile): FileDiff {
  const lines = file.hunks.flatMap((hunk) => hunk.lines);
  const path = file.path || file.previousPath;
  return {
    ...file,
    path,
    previousPath: file.change === "renamed" ? file.previousPath : "",
    isWhitespaceOnly: file.change === "modified" && isWhitespaceOnly(lines),
    insertions: lines.filter((line) => line.kind === "added").length,
    deletions: lines.filter((line) => line.kind === "removed").length,
  };
}

/** Read a path of a header; null for /dev/null. */
function pathOf(written: string): string | null {
  const path = written.replace(/\t.*$/, "").replace(/^"(.*)"$/, "$1");
  return path === "/dev/null" ? null : path.replace(/^[ab]\//, "");
}

/** Whether what is added differs from what is removed in nothing but white space. */
function isWhitespaceOnly(lines: readonly DiffLine[]): boolean {
  const of = (kind: LineKind) =>
    lines
      .filter((line) => line.kind === kind)
      .map((line) => line.text)
      .join("")
      .replace(/\s+/g, "");
  const added = lines.some((line) => line.kind === "added" || line.kind === "removed");
  return added && of("added") === of("removed");
}
