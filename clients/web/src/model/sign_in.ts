// Codes that sign a device in. Pure.

const LETTERS = /[^0-9A-Z]/g;
const LENGTH = 8;

/** A code as people read it: two groups of four; what cannot be of a code is left out. */
export function spellCode(typed: string): string {
  const letters = typed.toUpperCase().replace(LETTERS, "").slice(0, LENGTH);
  return letters.length > 4 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}

export function isWhole(code: string): boolean {
  return code.replace(LETTERS, "").length === LENGTH;
}

/** A link's secret, or an invitation's: longer than what people type, and never shown as a code. */
export function isLink(code: string): boolean {
  return code.startsWith("errand_");
}
