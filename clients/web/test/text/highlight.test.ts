import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { highlight, languageOf, MAX_HIGHLIGHT_CHARACTERS } from "../../src/text/highlight.ts";

function together(code: string, language: string): string {
  return highlight(code, language)
    .map((line) => line.map((piece) => piece.text).join(""))
    .join("\n");
}

describe("coloured code", () => {
  it("together is the code", () => {
    const python = readFileSync(resolve("..", "..", "events", "plain_text.py"), "utf8");
    const typescript = readFileSync(resolve("src", "model", "plain.ts"), "utf8");
    assert.equal(together(python, "py"), python);
    assert.equal(together(typescript, "ts"), typescript);
    for (const odd of ["", "\n", "'''", "/*", "`${", "\r\nx", "\u202e", "a\n\n\nb"]) {
      for (const language of ["python", "ts", "html", "sh", "nothing"]) {
        assert.equal(together(odd, language), odd);
      }
    }
  });

  it("has keywords and strings of their own", () => {
    const types = highlight("return 'x'", "python")
      .flat()
      .map((piece) => piece.type);
    assert.ok(types.includes("string"));
  });

  it("is plain where it would take long, or the language is not known", () => {
    const long = "return 1\n".repeat(MAX_HIGHLIGHT_CHARACTERS / 8);
    assert.ok(
      highlight(long, "python")
        .flat()
        .every((piece) => piece.type === ""),
    );
    assert.ok(
      highlight("return 'x'", "klingon")
        .flat()
        .every((piece) => piece.type === ""),
    );
  });

  it("finds the language by the file's name", () => {
    assert.deepEqual(["a/b.test.ts", "Dockerfile", ".gitignore"].map(languageOf), [
      "ts",
      "Dockerfile",
      ".gitignore",
    ]);
  });
});
