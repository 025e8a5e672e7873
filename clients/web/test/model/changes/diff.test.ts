import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTwoFilesPatch, parsePatch } from "diff";
import { type FileDiff, parseDiff, parseDiffInChunks } from "../../../src/model/changes/diff.ts";
import { pairMarks, wordMarks } from "../../../src/model/changes/word_marks.ts";
import { HISTORY_NAMES, history } from "../histories.ts";

const SIGNS = { context: " ", added: "+", removed: "-", note: "\\ " } as const;

/** The lines of a file's hunks, written as a patch again. */
function written(file: FileDiff): string[] {
  return file.hunks.flatMap((hunk) => hunk.lines.map((line) => SIGNS[line.kind] + line.text));
}

const GIT = `diff --git a/src/a.py b/src/a.py
index 1..2 100644
--- a/src/a.py
+++ b/src/a.py
@@ -1,3 +1,4 @@ def f():
 one
--- two
++++ two
+three
 four
@@ -10 +11,0 @@
-ten
diff --git a/old name.txt b/new name.txt
similarity index 100%
rename from old name.txt
rename to new name.txt
diff --git a/logo.png b/logo.png
new file mode 100644
Binary files /dev/null and b/logo.png differ
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
\\ No newline at end of file
`;

describe("a patch", () => {
  it("is files, hunks and lines, with the numbers of the new file", () => {
    const [file] = parseDiff(GIT);
    assert.equal(file!.path, "src/a.py");
    assert.deepEqual([file!.insertions, file!.deletions], [2, 2]);
    assert.equal(file!.hunks[0]!.heading, "def f():");
    assert.deepEqual(
      file!.hunks[0]!.lines.map((line) => [line.kind, line.number, line.text]),
      [
        ["context", 1, "one"],
        ["removed", 0, "-- two"],
        ["added", 2, "+++ two"],
        ["added", 3, "three"],
        ["context", 4, "four"],
      ],
    );
  });

  it("says what became of each file", () => {
    const files = parseDiff(GIT);
    assert.deepEqual(
      files.map((file) => [file.path, file.change, file.isBinary]),
      [
        ["src/a.py", "modified", false],
        ["new name.txt", "renamed", false],
        ["logo.png", "added", true],
        ["gone.txt", "deleted", false],
      ],
    );
    assert.equal(files[1]!.previousPath, "old name.txt");
    assert.deepEqual(files[3]!.hunks[0]!.lines.at(-1), {
      kind: "note",
      text: "No newline at end of file",
      number: 0,
    });
  });

  it("keeps every line of every patch that was recorded, as another parser does", () => {
    let patches = 0;
    for (const name of HISTORY_NAMES) {
      for (const event of history(name)) {
        if (event.type !== "tool.completed" || !event.diff) continue;
        patches += 1;
        const files = parseDiff(event.diff);
        const other = parsePatch(event.diff);
        assert.deepEqual(
          files.map(written),
          other.map((file) => file.hunks.flatMap((hunk) => hunk.lines)),
        );
      }
    }
    assert.ok(patches > 4);
  });

  it("says when nothing but white space changed", () => {
    const patch = (old: string, now: string) => createTwoFilesPatch("a/x", "b/x", old, now);
    assert.ok(parseDiff(patch("if x:\n  y\n", "if x:\n    y\n"))[0]!.isWhitespaceOnly);
    assert.ok(!parseDiff(patch("if x:\n  y\n", "if x:\n    z\n"))[0]!.isWhitespaceOnly);
  });

  it("reads on after a patch that was cut", () => {
    const cut =
      "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n one\n[… cut …]\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    assert.deepEqual(
      parseDiff(cut).map((file) => [file.path, file.insertions]),
      [
        ["x", 0],
        ["y", 1],
      ],
    );
  });

  it("comes in pieces when it is huge, each with the files that are whole", () => {
    const file = (name: string) =>
      `--- a/${name}\n+++ b/${name}\n@@ -0,0 +1,3000 @@\n${"+x\n".repeat(3000)}`;
    const patch = Array.from({ length: 20 }, (_, n) => file(`f${n}`)).join("");
    const steps = [...parseDiffInChunks(patch, 4_000)];
    assert.ok(steps.length > 10);
    assert.deepEqual(steps.at(-1), parseDiff(patch));
    const lengths = steps.map((files) => files.length);
    assert.deepEqual(
      lengths,
      [...lengths].sort((one, other) => one - other),
    );
  });

  it("takes any text without an error", () => {
    for (const text of ["", "\n", "@@", "@@ -1 +1 @@", "+++ b/x", "no patch at all", "diff "]) {
      assert.ok(Array.isArray(parseDiff(text)));
    }
  });
});

describe("word marks", () => {
  it("mark the words that differ", () => {
    const [old, now] = pairMarks('STRANGER = "stranger"', 'STRANGER = "friend"')!;
    assert.deepEqual(old, [[12, 20]]);
    assert.deepEqual(now, [[12, 18]]);
  });

  it("mark pairs of lines in a hunk by their places, and no others", () => {
    const [file] = parseDiff(
      "--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n one\n-a = 1\n-b = 2\n+a = 3\n+b = 4\n+c = 5\n",
    );
    assert.equal(wordMarks(file!.hunks[0]!.lines).size, 0);
    const [even] = parseDiff("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-a = 1\n+a = 3\n");
    assert.deepEqual([...wordMarks(even!.hunks[0]!.lines).keys()], [1, 2]);
  });

  it("leave long lines, and lines that have little in common, alone", () => {
    assert.equal(pairMarks("x".repeat(401), "y"), null);
    assert.equal(pairMarks("completely different words here", "nothing shared"), null);
  });
});
