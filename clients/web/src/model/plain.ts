// Text of agents, tools and repositories as people may see it: nothing hidden, nothing reordered.
// The table is that of events/plain_text.py; a test holds both to it for every code point.

const JOINED =
  "\\u0590-\\u1dff\\u2190-\\u2bff\\u3030\\u303d\\u3297\\u3299\\ua840-\\uabff\\ufb1d-\\ufdff\\ufe0f" +
  "\\ufe70-\\ufefc\\u{10800}-\\u{11fff}\\u{1f000}-\\u{1faff}";
const SYMBOL = "#*0-9\\u00a9\\u00ae\\u203c-\\u3299\\u{1f000}-\\u{1faff}";
const HIDDEN =
  "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u00ad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891" +
  "\\u08e2\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f" +
  "\\u3164\\ud800-\\udfff\\ue000-\\uf8ff\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff" +
  "\\u{110bd}\\u{110cd}\\u{13430}-\\u{1345f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}" +
  "\\u{e0000}-\\u{e0fff}\\u{f0000}-\\u{10ffff}";
const SHOWN = new RegExp(
  `(?<=[${JOINED}])[\\u200c\\u200d](?=[${JOINED}])|(?<=[${SYMBOL}])[\\ufe0e\\ufe0f]|([${HIDDEN}])`,
  "gu",
);
const QUICK = new RegExp(`[${HIDDEN}]`, "u");

/** Return text with everything that hides or reorders shown as an escape; line ends stay. */
export function plain(text: string): string {
  if (!QUICK.test(text)) return text;
  return text.replace(SHOWN, (found, hidden: string | undefined) =>
    hidden === undefined ? found : escaped(hidden.codePointAt(0)!),
  );
}

/** Return plain text in one line, cut to `characters` with … where it is longer. */
export function plainLine(text: string, characters = 160): string {
  const line = plain(text.slice(0, 4 * characters))
    .replace(/\s+/gu, " ")
    .trim();
  const points = [...line];
  if (points.length <= characters && text.length <= 4 * characters) return line;
  return `${points
    .slice(0, characters - 1)
    .join("")
    .trimEnd()}…`;
}

function escaped(code: number): string {
  if (code < 0x100) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
