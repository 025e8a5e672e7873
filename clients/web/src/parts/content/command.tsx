// A shell command, whole and wrapped, with what can do harm marked. Nothing of it is ever hidden.

import { shellParts } from "../../model/asks/shell.ts";
import { plain } from "../../model/plain.ts";
import "./command.css";

export function Command({ text }: { text: string }) {
  return (
    <pre class="command">
      {shellParts(text).map((part, place) =>
        part.isRisky ? (
          <mark key={place}>{plain(part.text)}</mark>
        ) : (
          <span key={place}>{plain(part.text)}</span>
        ),
      )}
    </pre>
  );
}
