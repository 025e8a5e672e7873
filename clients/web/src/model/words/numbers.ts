// Numbers as people read them: money, spans of time, sizes, times of day.
import { ENGLISH } from "./english.ts";

// To make a formatter takes a slow phone many milliseconds: each is made when it is first needed.
const dollars = once(() => numberFormat({ style: "currency", currency: "USD" }));
const wholeDollars = once(() =>
  numberFormat({ style: "currency", currency: "USD", maximumFractionDigits: 0 }),
);
const numbers = once(() => numberFormat({}));
const short = once(() => numberFormat({ maximumSignificantDigits: 2 }));
const relative = once(() => new Intl.RelativeTimeFormat(ENGLISH.locale, { numeric: "auto" }));
const CENT = 10_000;
const DOLLAR = 1_000_000;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** `$0.42`; what is more than nothing and less than a cent is `<$0.01`. */
export function money(microusd: number): string {
  if (microusd > 0 && microusd < CENT) return "<$0.01";
  return dollars().format(microusd / DOLLAR);
}

/** A limit: `$2` when it is whole dollars, else as `money`. */
export function limit(microusd: number): string {
  return microusd % DOLLAR === 0 ? wholeDollars().format(microusd / DOLLAR) : money(microusd);
}

/** `$0.31 of $2`, or only what is spent where there is no limit. */
export function spentOf(microusd: number, limitMicrousd: number): string {
  return limitMicrousd > 0 ? ENGLISH.of(money(microusd), limit(limitMicrousd)) : money(microusd);
}

/** `0.4 s`, `38 s`, `2 min 5 s`, `1 h 20 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const span = Math.max(0, seconds);
  if (span < 9.95) return `${span < 0.05 ? 0 : Math.round(span * 10) / 10} s`;
  const whole = Math.round(span);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < 10 * MINUTE) return pair(whole, MINUTE, "min", 1, "s");
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return pair(whole, HOUR, "h", MINUTE, "min");
  return pair(whole, DAY, "d", HOUR, "h");
}

function pair(
  span: number,
  big: number,
  bigWord: string,
  small: number,
  smallWord: string,
): string {
  const rest = Math.floor((span % big) / small);
  const first = `${Math.floor(span / big)} ${bigWord}`;
  return rest === 0 ? first : `${first} ${rest} ${smallWord}`;
}

function two(part: number): string {
  return String(part).padStart(2, "0");
}

/** A running clock: `02:14`, `1:02:14`. */
export function clockSpan(seconds: number): string {
  const span = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(span / HOUR);
  const rest = `${two(Math.floor((span % HOUR) / MINUTE))}:${two(span % MINUTE)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** `812 B`, `4.1 kB`, `2.3 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let [value, unit] = [Math.max(0, bytes), 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 99.5 ? short().format(value) : numbers().format(Math.round(value))} ${units[unit]}`;
}

export function number(value: number): string {
  return numbers().format(value);
}

/** How long ago, in words: `just now`, `3 min ago`, `2 hours ago`, `yesterday`, `12 Nov`. */
export function ago(at: string | number, now: number, zone?: string): string {
  const then = milliseconds(at);
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < 10) return ENGLISH.justNow;
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < 20 * HOUR) return relative().format(-Math.floor(seconds / HOUR), "hour");
  const days = dayNumber(now, zone) - dayNumber(then, zone);
  return days < 7 ? relative().format(-Math.max(1, days), "day") : day(then, zone);
}

/** `14:02`; of another day `Tue 14:02`, of longer ago `12 Nov, 14:02`. */
export function time(at: string | number, now: number, zone?: string): string {
  const then = milliseconds(at);
  const clock = clockTime(then, zone);
  const days = Math.abs(dayNumber(now, zone) - dayNumber(then, zone));
  if (days === 0) return clock;
  if (days < 7) return `${format(then, { weekday: "short" }, zone)} ${clock}`;
  return `${day(then, zone)}, ${clock}`;
}

/** `14:02:07`: the time of a receipt. */
export function exactTime(at: string | number, zone?: string): string {
  const options = {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  } as const;
  return format(milliseconds(at), options, zone);
}

/** Where no zone is named it is the device's, which a date knows without a formatter. */
function clockTime(at: number, zone?: string): string {
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  if (zone !== undefined) return format(at, clock, zone);
  const date = new Date(at);
  return [date.getHours(), date.getMinutes()].map(two).join(":");
}

export function day(at: string | number, zone?: string): string {
  return format(milliseconds(at), { day: "numeric", month: "short" }, zone, "en-GB");
}

/** The hour where the person is, 0 to 23. */
export function hourOf(at: number, zone?: string): number {
  if (zone === undefined) return new Date(at).getHours();
  return Number(format(at, { hour: "numeric", hourCycle: "h23" }, zone, "en-GB"));
}

export function milliseconds(at: string | number): number {
  return typeof at === "number" ? at : Date.parse(at);
}

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  return new Intl.NumberFormat(ENGLISH.locale, options);
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(
  at: number,
  options: Intl.DateTimeFormatOptions,
  zone?: string,
  locale: string = ENGLISH.locale,
): string {
  const key = `${locale} ${zone} ${Object.entries(options).join()}`;
  let made = formats.get(key);
  if (made === undefined) {
    made = new Intl.DateTimeFormat(
      locale,
      zone === undefined ? options : { ...options, timeZone: zone },
    );
    formats.set(key, made);
  }
  return made.format(at);
}

/** Days since the beginning of time, where the person is: for "yesterday". */
export function dayNumber(at: number, zone?: string): number {
  if (zone === undefined) {
    const date = new Date(at);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / (DAY * 1000);
  }
  const parts = format(at, { year: "numeric", month: "2-digit", day: "2-digit" }, zone, "en-CA");
  return Date.parse(`${parts}T00:00:00Z`) / (DAY * 1000);
}

/** Keep a span on one line, and with the dot before it: `· 2 min 40 s` is not broken in two. */
export function unbroken(text: string): string {
  const spans = /(?:· )?[\d.]+ (?:s|min|h|d)\b(?: \d+ (?:s|min|h)\b)?/g;
  return text.replace(spans, (span) => span.replaceAll(" ", "\u00a0"));
}
