import { formatNumber, parseMoney, parseNumber } from "@/lib/format";

/** A rule looks at a field's text and answers with what is wrong, or nothing. */
export type Rule = (value: string) => string | undefined;

export const required =
  (what: string): Rule =>
  (value) =>
    value.trim() ? undefined : `Enter ${what}.`;

export const maxLength =
  (limit: number): Rule =>
  (value) =>
    value.length > limit ? `Keep it under ${limit} characters (now ${value.length}).` : undefined;

export const minLength =
  (limit: number): Rule =>
  (value) =>
    value.length < limit ? `Use at least ${limit} characters.` : undefined;

/** The rules below accept an empty field; put required() before them where it matters. */
export const email: Rule = (value) =>
  !value || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value.trim())
    ? undefined
    : "Enter a whole email address, with an @.";

export const phone: Rule = (value) =>
  !value || (/^[+\d\s().-]+$/.test(value) && value.replace(/\D/g, "").length >= 6)
    ? undefined
    : "Enter a phone number, for example 555 010 0199.";

export const money: Rule = (value) =>
  !value || parseMoney(value) !== null ? undefined : "Enter an amount like 85 or 85.50.";

export const integer: Rule = (value) =>
  !value || /^-?\d{1,9}$/.test(value.trim()) ? undefined : "Enter a whole number.";

export const decimal: Rule = (value) =>
  !value || /^-?\d{1,9}([.,]\d{1,6})?$/.test(value.trim()) ? undefined : "Enter a number like 12 or 12.5.";

/** For numbers that the rule before has found well formed. */
export const between =
  (min: number | null, max: number | null): Rule =>
  (value) => {
    const number = parseNumber(value);
    if (number === null) return undefined;
    if (min !== null && number < min) return `Enter ${formatNumber(min)} or more.`;
    if (max !== null && number > max) return `Enter ${formatNumber(max)} or less.`;
    return undefined;
  };

export const url: Rule = (value) =>
  !value || /^https?:\/\/[^\s/]+\.?[^\s]*$/.test(value.trim())
    ? undefined
    : "Enter a whole address that begins with https://.";

/** The first complaint of several rules. */
export const all =
  (...rules: Rule[]): Rule =>
  (value) => {
    for (const rule of rules) {
      const message = rule(value);
      if (message) return message;
    }
    return undefined;
  };
