// A unified diff, whole: a line of the file a line here, wrapped, with a sign besides the colour.
import { plain } from "../../model/plain.ts";
import "./diff_lines.css";

const KINDS: Readonly<Record<string, string>> = { "+": "added", "-": "removed", "@": "hunk" };

export function DiffLines({ diff }: { diff: string }) {
  const lines = diff.replace(/\n$/, "").split("\n");
  return (
    <pre class="diff-lines">
      {lines.map((line, place) => (
        <span key={place} class={`diff-line ${kindOf(line)}`}>
          {plain(line)}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

function kindOf(line: string): string {
  if (/^(diff |--- |\+\+\+ )/.test(line)) return "file";
  return KINDS[line.charAt(0)] ?? "";
}
