// By how much a spent budget may sensibly be raised: half of it, as much again, twice as much.

const DOLLAR = 1_000_000;
const USUAL = 2 * DOLLAR;
const STEPS = [1, 2, 5, 10] as const;
const MAX_MICROUSD = 1_000_000 * DOLLAR;

/** Three round amounts that differ, the smallest first. `limit` 0: of an ordinary budget. */
export function raises(limit: number): readonly number[] {
  const base = limit > 0 ? limit : USUAL;
  const amounts: number[] = [];
  for (const share of [0.5, 1, 2]) {
    const last = amounts.at(-1) ?? 0;
    let amount = round(base * share);
    while (amount <= last) amount = nextRound(amount);
    amounts.push(amount);
  }
  return amounts;
}

/** An amount that a person typed; 0 for what is none. */
export function microusdOf(typed: string): number {
  const text = typed.trim().replace(/^\$/, "").replace(",", ".");
  if (!/^\d{1,6}(\.\d{1,2})?$/.test(text)) return 0;
  return Math.min(MAX_MICROUSD, Math.round(Number(text) * DOLLAR));
}

/** The nearest of 1, 2, 5 times a power of ten; at least ten cents. */
function round(microusd: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(microusd, DOLLAR / 10)));
  const steps = STEPS.map((step) => step * power);
  return steps.reduce((best, step) =>
    Math.abs(step - microusd) < Math.abs(best - microusd) ? step : best,
  );
}

function nextRound(microusd: number): number {
  const power = 10 ** Math.floor(Math.log10(microusd));
  return (STEPS.find((step) => step * power > microusd) ?? 10) * power;
}
