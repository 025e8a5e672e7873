import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { highlight, MAX_HIGHLIGHT_CHARACTERS } from "../../src/text/highlight.ts";
import { languageOf, type Rules, rulesOf } from "../../src/text/languages.ts";

/** Wait until the rules of a language are loaded. */
function loaded(language: string): Promise<Rules> {
  return new Promise((resolve) => {
    rulesOf(language).subscribe((rules) => {
      if (rules !== null) resolve(rules);
    });
  });
}

function together(code: string, rules: Rules | null): string {
  return highlight(code, rules)
    .map((line) => line.map((piece) => piece.text).join(""))
    .join("\n");
}

describe("coloured code", () => {
  it("together is the code", async () => {
    const python = readFileSync(resolve("..", "..", "events", "plain_text.py"), "utf8");
    const typescript = readFileSync(resolve("src", "model", "plain.ts"), "utf8");
    assert.equal(together(python, await loaded("py")), python);
    assert.equal(together(typescript, await loaded("ts")), typescript);
    for (const odd of ["", "\n", "'''", "/*", "`${", "\r\nx", "\u202e", "a\n\n\nb"]) {
      for (const language of ["python", "ts", "html", "sh"]) {
        assert.equal(together(odd, await loaded(language)), odd);
      }
      assert.equal(together(odd, null), odd);
    }
  });

  it("has keywords and strings of their own", async () => {
    const types = highlight("return 'x'", await loaded("python"))
      .flat()
      .map((piece) => piece.type);
    assert.ok(types.includes("string") && types.includes("keyword"));
  });

  it("is plain where it would take long, or the language is not known", async () => {
    const long = "return 1\n".repeat(MAX_HIGHLIGHT_CHARACTERS / 8);
    assert.ok(
      highlight(long, await loaded("python"))
        .flat()
        .every((piece) => piece.type === ""),
    );
    assert.equal(rulesOf("klingon").value, null);
  });

  it("finds the language by the file's name", () => {
    assert.deepEqual(["a/b.test.ts", "Dockerfile", ".gitignore"].map(languageOf), [
      "ts",
      "Dockerfile",
      ".gitignore",
    ]);
  });
});
