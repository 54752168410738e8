import { appConfig } from "@/app.config";

const { locale, currency } = appConfig;
const moneyFormat = new Intl.NumberFormat(locale, { style: "currency", currency });
const numberFormat = new Intl.NumberFormat(locale, { maximumFractionDigits: 4 });
const dayFormat = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
const dayYearFormat = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", year: "numeric" });
const monthFormat = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric" });
const timeFormat = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const exactFormat = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const relativeFormat = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** Money is whole cents everywhere; only this function and parseMoney know about decimals. */
export function formatMoney(cents: number): string {
  return moneyFormat.format(cents / 100);
}

/** "$1,250.5" -> 125050. Null if it is not an amount of money. */
export function parseMoney(text: string): number | null {
  // "12,50" is twelve and a half, "1,250" and "1,250.00" are more than a thousand.
  const bare = text.replace(/[\s\p{Sc}]/gu, "");
  const plain = /^-?\d+,\d{1,2}$/.test(bare) ? bare.replace(",", ".") : bare.replaceAll(",", "");
  return /^-?\d{1,7}(\.\d{1,2})?$/.test(plain) ? Math.round(Number(plain) * 100) : null;
}

/** 125050 -> "1250.50", for an input field. */
export function centsToInput(cents: number | null): string {
  return cents === null ? "" : (cents / 100).toFixed(2);
}

export function formatNumber(value: number, unit = ""): string {
  const text = numberFormat.format(value);
  return unit ? `${text}${unit === "%" ? "" : " "}${unit}` : text;
}

/** A day without a time zone, YYYY-MM-DD. `new Date(day)` would read it as UTC and slip a day. */
export function formatDay(day: string): string {
  const date = new Date(`${day}T00:00`);
  return (date.getFullYear() === new Date().getFullYear() ? dayFormat : dayYearFormat).format(date);
}

/** "2026-11" -> "Nov 2026". */
export function formatMonth(month: string): string {
  return monthFormat.format(new Date(`${month}-01T00:00`));
}

/** "14:30:00" -> "2:30 PM". */
export function formatTime(time: string): string {
  return timeFormat.format(new Date(`2000-01-01T${time}`));
}

/** The day of a moment in the person's own time zone, YYYY-MM-DD. */
export function dayOf(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

/** A day counted from today, in the person's own time zone, YYYY-MM-DD. */
export function dayFromToday(days: number): string {
  const date = new Date();
  date.setDate(date.getDate() + days);
  return dayOf(date);
}

export function today(): string {
  return dayFromToday(0);
}

/** An ISO time as <input type="datetime-local"> wants it: local, to the minute. */
export function momentToInput(iso: string | null): string {
  if (iso === null) return "";
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What <input type="datetime-local"> holds as an ISO time, or null when it is empty. */
export function inputToMoment(text: string): string | null {
  return text ? new Date(text).toISOString() : null;
}

/** A number field's text; null when it is empty. The form's rules have checked it. */
export function parseNumber(text: string): number | null {
  return text.trim() ? Number(text.replace(",", ".")) : null;
}

export function formatExact(iso: string): string {
  return exactFormat.format(new Date(iso));
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 hours ago"; older than two weeks becomes a date. */
export function formatRelative(iso: string, now = Date.now()): string {
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000);
  if (Math.abs(seconds) > 14 * 86_400) return dayFormat.format(new Date(iso));
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relativeFormat.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString(locale)} ${count === 1 ? one : many}`;
}
