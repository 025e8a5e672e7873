// Markdown on the screen: the allowed tree as elements. Nothing is ever set as HTML.
import type { ComponentChildren, VNode } from "preact";
import { useMemo } from "preact/hooks";
import { highlight } from "./highlight.ts";
import { rulesOf } from "./languages.ts";
import { type Block, type Inline, type ListItem, markdownTree } from "./markdown_tree.ts";
import "./markdown.css";

export function Markdown({ text }: { text: string }) {
  return <>{markdownTree(text).map(blockView)}</>;
}

function blockView(block: Block, key: number): VNode {
  switch (block.type) {
    case "paragraph":
      return <p key={key}>{inlineViews(block.children)}</p>;
    case "heading":
      return <Heading key={key} level={block.level} children={inlineViews(block.children)} />;
    case "code":
      return <Code key={key} language={block.language} text={block.text} />;
    case "quote":
      return <blockquote key={key}>{block.children.map(blockView)}</blockquote>;
    case "list":
      return block.start === null ? (
        <ul key={key}>{block.items.map(itemView)}</ul>
      ) : (
        <ol key={key} start={block.start}>
          {block.items.map(itemView)}
        </ol>
      );
    case "table":
      return <Table key={key} table={block} />;
    case "rule":
      return <hr key={key} />;
  }
}

/** A heading of the agent's stands below the headings of the page. */
function Heading({ level, children }: { level: number; children: ComponentChildren }) {
  const Tag = `h${Math.min(6, level + 2)}` as "h3" | "h4" | "h5" | "h6";
  return <Tag>{children}</Tag>;
}

function itemView(item: ListItem, key: number): VNode {
  if (item.isChecked === null) return <li key={key}>{itemContent(item)}</li>;
  return (
    <li key={key} class="task-item">
      <input type="checkbox" checked={item.isChecked} disabled />
      {itemContent(item)}
    </li>
  );
}

/** A tight item is its words alone. */
function itemContent(item: ListItem): ComponentChildren {
  const [first, ...rest] = item.children;
  if (first?.type !== "paragraph") return item.children.map(blockView);
  return (
    <>
      {inlineViews(first.children)}
      {rest.map(blockView)}
    </>
  );
}

function Table({ table }: { table: Extract<Block, { type: "table" }> }) {
  const look = (place: number) => `align-${table.align[place] ?? "left"}`;
  return (
    <div class="table-scroll">
      <table>
        <thead>
          <tr>
            {table.head.map((cell, place) => (
              <th key={place} scope="col" class={look(place)}>
                {inlineViews(cell)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, place) => (
                <td key={place} class={look(place)}>
                  {inlineViews(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Code({ language, text }: { language: string; text: string }) {
  const rules = rulesOf(language).value;
  const lines = useMemo(() => highlight(text, rules), [text, rules]);
  return (
    <pre class="code">
      <code>
        {lines.map((line, number) => (
          <span key={number}>
            {line.map((piece, place) =>
              piece.type === "" ? (
                piece.text
              ) : (
                <span key={place} class={`code-${piece.type}`}>
                  {piece.text}
                </span>
              ),
            )}
            {number < lines.length - 1 ? "\n" : ""}
          </span>
        ))}
      </code>
    </pre>
  );
}

function inlineViews(children: readonly Inline[]): ComponentChildren {
  return children.map(inlineView);
}

function inlineView(inline: Inline, key: number): ComponentChildren {
  switch (inline.type) {
    case "text":
      return inline.text;
    case "code":
      return <code key={key}>{inline.text}</code>;
    case "break":
      return <br key={key} />;
    case "strong":
      return <strong key={key}>{inlineViews(inline.children)}</strong>;
    case "emphasis":
      return <em key={key}>{inlineViews(inline.children)}</em>;
    case "deleted":
      return <del key={key}>{inlineViews(inline.children)}</del>;
    case "link":
      return (
        <a key={key} href={inline.href} target="_blank" rel="noopener noreferrer">
          {inlineViews(inline.children)}
          {inline.host !== "" && <span class="link-host"> ({inline.host})</span>}
        </a>
      );
  }
}
