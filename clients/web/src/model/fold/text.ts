// Titles and times as the gateway spells them.

/** What Python calls white space: JavaScript's `trim` knows other characters. */
const SPACE =
  "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "gu");
const END = new RegExp(`[${SPACE}]+$`, "u");
const LINE_ENDS = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "u");
const TITLE_CHARACTERS = 80;

/** A prompt's first line with words on it, at most 80 characters (code points). */
export function titleOf(prompt: string): string {
  const lines = prompt.split(LINE_END).map((line) => line.replace(EDGES, ""));
  const line = lines.find((each) => each !== "") ?? "Untitled";
  const characters = [...line];
  if (characters.length <= TITLE_CHARACTERS) return line;
  return `${characters
    .slice(0, TITLE_CHARACTERS - 1)
    .join("")
    .replace(END, "")}…`;
}

const TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:?\d\d)$/;

/** A time of an event as the gateway answers it: microseconds or none, Z for UTC. */
export function canonicalTime(text: string): string {
  const found = TIME.exec(text);
  if (found === null) return text;
  const [, day, time, fraction = "", zone = "Z"] = found;
  const micros = fraction.slice(0, 6).padEnd(6, "0");
  const tail = micros === "000000" ? "" : `.${micros}`;
  return `${day}T${time}${tail}${canonicalZone(zone)}`;
}

function canonicalZone(zone: string): string {
  if (/^[Zz]$|^[+-]00:?00$/.test(zone)) return "Z";
  return zone.includes(":") ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
}
