// Markdown as a small tree of what is allowed. HTML is text; links go to http, https and mail alone.
import { marked, type Token, type Tokens } from "marked";
import { plain } from "../model/plain.ts";

export type Inline =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "break" }
  | { readonly type: "strong" | "emphasis" | "deleted"; readonly children: readonly Inline[] }
  | {
      readonly type: "link";
      readonly href: string;
      /** Where it goes, to be shown beside its words; empty when they say it themselves. */
      readonly host: string;
      readonly children: readonly Inline[];
    };

export interface ListItem {
  /** null: it is no checkbox. */
  readonly isChecked: boolean | null;
  readonly children: readonly Block[];
}

export type Block =
  | { readonly type: "paragraph"; readonly children: readonly Inline[] }
  | { readonly type: "heading"; readonly level: number; readonly children: readonly Inline[] }
  | { readonly type: "code"; readonly language: string; readonly text: string }
  | { readonly type: "quote"; readonly children: readonly Block[] }
  | { readonly type: "list"; readonly start: number | null; readonly items: readonly ListItem[] }
  | {
      readonly type: "table";
      readonly align: readonly ("left" | "right" | "center" | null)[];
      readonly head: readonly (readonly Inline[])[];
      readonly rows: readonly (readonly (readonly Inline[])[])[];
    }
  | { readonly type: "rule" };

const MAX_CHARACTERS = 100_000;
const MAX_DEPTH = 12;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
};

/** Parse Markdown. What is too long for it, or nested too deep, is one paragraph of plain text. */
export function markdownTree(text: string): readonly Block[] {
  if (text.length > MAX_CHARACTERS) return plainTree(text);
  try {
    return blocks(marked.lexer(text, { gfm: true }), 0);
  } catch {
    return plainTree(text); // the lexer calls itself for each quote in a quote
  }
}

function plainTree(text: string): readonly Block[] {
  return [{ type: "paragraph", children: [{ type: "text", text: plain(text) }] }];
}

function blocks(tokens: readonly Token[], depth: number): readonly Block[] {
  return tokens.flatMap((token) => block(token, depth));
}

function block(token: Token, depth: number): readonly Block[] {
  if (depth > MAX_DEPTH) return paragraph([{ type: "text", text: plain(token.raw) }]);
  switch (token.type) {
    case "space":
    case "def":
      return [];
    case "heading": {
      const { depth: level, tokens } = token as Tokens.Heading;
      return [{ type: "heading", level, children: inlines(tokens, depth) }];
    }
    case "code": {
      const { lang = "", text } = token as Tokens.Code;
      return [{ type: "code", language: plain(lang.split(/\s/)[0] ?? ""), text: plain(text) }];
    }
    case "blockquote":
      return [{ type: "quote", children: blocks((token as Tokens.Blockquote).tokens, depth + 1) }];
    case "list":
      return [list(token as Tokens.List, depth)];
    case "table":
      return [table(token as Tokens.Table, depth)];
    case "hr":
      return [{ type: "rule" }];
    case "paragraph":
    case "text": {
      const { tokens, text } = token as Tokens.Paragraph | Tokens.Text;
      return paragraph(tokens ? inlines(tokens, depth) : [{ type: "text", text: words(text) }]);
    }
    default:
      return paragraph([{ type: "text", text: plain(token.raw.trimEnd()) }]);
  }
}

function paragraph(children: readonly Inline[]): readonly Block[] {
  return children.length === 0 ? [] : [{ type: "paragraph", children }];
}

function list(token: Tokens.List, depth: number): Block {
  const items = token.items.map((item) => ({
    isChecked: item.task ? item.checked === true : null,
    children: blocks(
      item.tokens.filter((each) => each.type !== "checkbox"),
      depth + 1,
    ),
  }));
  return { type: "list", start: token.ordered ? Number(token.start) || 1 : null, items };
}

function table(token: Tokens.Table, depth: number): Block {
  const cells = (row: readonly Tokens.TableCell[]) =>
    row.map((cell) => inlines(cell.tokens, depth));
  return {
    type: "table",
    align: token.align,
    head: cells(token.header),
    rows: token.rows.map(cells),
  };
}

function inlines(tokens: readonly Token[], depth: number): readonly Inline[] {
  return tokens.flatMap((token) => inline(token, depth + 1));
}

function inline(token: Token, depth: number): readonly Inline[] {
  if (depth > MAX_DEPTH) return [{ type: "text", text: plain(token.raw) }];
  switch (token.type) {
    case "strong":
      return [{ type: "strong", children: inlines((token as Tokens.Strong).tokens, depth) }];
    case "em":
      return [{ type: "emphasis", children: inlines((token as Tokens.Em).tokens, depth) }];
    case "del":
      return [{ type: "deleted", children: inlines((token as Tokens.Del).tokens, depth) }];
    case "codespan":
      return [{ type: "code", text: plain((token as Tokens.Codespan).text) }];
    case "br":
      return [{ type: "break" }];
    case "link":
      return link(token as Tokens.Link, depth);
    case "image": {
      const { href, text, raw } = token as Tokens.Image;
      return linked(href, raw, [{ type: "text", text: words(text) || plain(href) }]);
    }
    case "text": {
      const { tokens, text } = token as Tokens.Text;
      return tokens ? inlines(tokens, depth) : [{ type: "text", text: words(text) }];
    }
    case "escape":
      return [{ type: "text", text: plain((token as Tokens.Escape).text) }];
    default:
      return [{ type: "text", text: plain(token.raw) }];
  }
}

function link(token: Tokens.Link, depth: number): readonly Inline[] {
  return linked(token.href, token.raw, inlines(token.tokens, depth));
}

/** A link that goes nowhere it may is the text it was written as. */
function linked(href: string, raw: string, children: readonly Inline[]): readonly Inline[] {
  const url = safeUrl(href);
  if (url === null) return [{ type: "text", text: plain(raw) }];
  const host = url.protocol === "mailto:" ? url.pathname : url.host;
  const shown = textOf(children).toLowerCase();
  const isSame = shown === url.href.toLowerCase() || shown === href.toLowerCase() || shown === host;
  const isShown = isSame && shown.includes(host.toLowerCase()); // letters of another alphabet look the same
  return [{ type: "link", href: url.href, host: isShown ? "" : plain(host), children }];
}

/** Return an address that may be opened: http, https, mailto, without a name or password in it. */
export function safeUrl(href: string): URL | null {
  if (!URL.canParse(href)) return null;
  const url = new URL(href);
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return url.username === "" && url.password === "" ? url : null;
}

function textOf(children: readonly Inline[]): string {
  return children
    .map((child) =>
      "children" in child ? textOf(child.children) : "text" in child ? child.text : "",
    )
    .join("");
}

/** Text with its entities read, and what hides made visible. */
function words(text: string): string {
  const read = text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{2,5}));/g, entity);
  return plain(read);
}

function entity(written: string, decimal?: string, hexadecimal?: string, name?: string): string {
  if (name !== undefined) return ENTITIES[name] ?? written;
  const code = decimal === undefined ? Number.parseInt(hexadecimal!, 16) : Number(decimal);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : written;
}
