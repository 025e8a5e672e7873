import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Block, type Inline, markdownTree } from "../../src/text/markdown_tree.ts";

/** All the text of a tree, in order. */
function textOf(nodes: readonly (Block | Inline)[]): string {
  return nodes
    .map((node) => {
      if ("text" in node) return node.text;
      if ("children" in node) return textOf(node.children);
      if (node.type === "list") return node.items.map((item) => textOf(item.children)).join("");
      if (node.type === "table") return [node.head, ...node.rows].flat().map(textOf).join("");
      return "";
    })
    .join("");
}

function inlines(text: string): readonly Inline[] {
  const [first] = markdownTree(text);
  assert.ok(first?.type === "paragraph");
  return first.children;
}

describe("Markdown", () => {
  it("is paragraphs, headings, lists, quotes, code and tables", () => {
    const text =
      "# Title\n\nSome **bold** *soft* ~~gone~~ `code`.\n\n- one\n- [x] two\n\n3. three\n\n> said\n\n```py\nx = 1\n```\n\n|a|b|\n|-|-:|\n|1|2|\n\n---\n";
    assert.deepEqual(
      markdownTree(text).map((block) => block.type),
      ["heading", "paragraph", "list", "list", "quote", "code", "table", "rule"],
    );
    const [, paragraph, list, ordered, , code, table] = markdownTree(text);
    assert.ok(paragraph?.type === "paragraph" && list?.type === "list" && code?.type === "code");
    assert.deepEqual(
      paragraph.children.map((child) => child.type),
      ["text", "strong", "text", "emphasis", "text", "deleted", "text", "code", "text"],
    );
    assert.deepEqual(
      list.items.map((item) => item.isChecked),
      [null, true],
    );
    assert.ok(ordered?.type === "list" && ordered.start === 3);
    assert.deepEqual([code.language, code.text], ["py", "x = 1"]);
    assert.ok(table?.type === "table");
    assert.deepEqual(table.align, [null, "right"]);
  });

  it("shows HTML as the text it is", () => {
    for (const text of [
      "<script>alert(1)</script>",
      "a <img src=x onerror=alert(1)> b",
      "<b>bold</b>",
      "<!-- hidden -->",
    ]) {
      assert.equal(textOf(markdownTree(text)), text);
    }
  });

  it("links to http, https and mail alone; all else is text", () => {
    for (const href of [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "data:text/html,x",
      "vbscript:x",
      "file:///etc/passwd",
      "/relative",
      "//host/x",
      "https://user:password@host/x",
    ]) {
      const found = inlines(`[words](${href})`);
      assert.ok(!found.some((each) => each.type === "link"), href);
    }
    const [link] = inlines("[words](https://example.com/a)");
    assert.ok(link?.type === "link" && link.href === "https://example.com/a");
    const [mail] = inlines("[write](mailto:ada@example.com)");
    assert.ok(mail?.type === "link" && mail.host === "ada@example.com");
  });

  it("shows the host where the words do not say it", () => {
    const host = (text: string) => {
      const [link] = inlines(text);
      return link?.type === "link" ? link.host : "no link";
    };
    assert.equal(host("[github.com](https://evil.example/x)"), "evil.example");
    assert.equal(host("https://example.com/a"), "");
    assert.equal(host("[xn](https://exаmple.com/)"), "xn--exmple-4nf.com");
    assert.equal(host("https://exаmple.com/login"), "xn--exmple-4nf.com");
    assert.equal(host("[https://exаmple.com/](https://exаmple.com/)"), "xn--exmple-4nf.com");
    assert.equal(host("https://EXAMPLE.com/A"), "");
  });

  it("loads no image: it is a link to it", () => {
    const [image] = inlines("![a chart](https://example.com/c.png)");
    assert.ok(image?.type === "link" && image.host === "example.com");
    assert.equal(textOf([image]), "a chart");
  });

  it("makes what hides or reorders visible, everywhere", () => {
    const text = "a\u202eb `c\u202ed` [e\u202ef](https://x.io)\n\n```\ng\u202eh\n```\n";
    assert.ok(!textOf(markdownTree(text)).includes("\u202e"));
    assert.equal(textOf(markdownTree("&#x202e;x &lt;b&gt; &amp;")), "\\u202ex <b> &");
  });

  it("loses no word, however deep or odd it is", () => {
    const deep = `${"> ".repeat(40)}word`;
    assert.ok(textOf(markdownTree(deep)).includes("word"));
    assert.ok(textOf(markdownTree("[a][b] [^1] word")).includes("word"));
    const long = "word ".repeat(40_000);
    assert.equal(textOf(markdownTree(long)), long);
  });

  it("is quick also for what is made to be slow", () => {
    for (const text of [
      "*".repeat(20_000),
      "[".repeat(5_000),
      "`".repeat(9_999),
      "> ".repeat(3_000),
    ]) {
      const began = performance.now();
      markdownTree(text);
      assert.ok(performance.now() - began < 2_000, text.slice(0, 2));
    }
  });
});
