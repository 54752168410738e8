/**
 * Row level security refuses in two ways that client code must tell apart:
 *
 * - an INSERT that a policy forbids fails with code 42501;
 * - a SELECT, UPDATE or DELETE does not fail: forbidden rows simply are not there,
 *   so "0 rows changed" is the only sign. `one` and `changed` make that an error.
 */

/** An error whose message may be shown to a person as it is. */
export class UserError extends Error {}

type Answer<T> = { data: T | null; error: { code?: string; message: string } | null };

const MESSAGES: Record<string, string> = {
  "42501": "You do not have access to do that.",
  "23505": "That already exists.",
  "23503": "This is still in use elsewhere, or was removed meanwhile.",
  "23514": "One of the values is not allowed.",
  "22P02": "That address is not valid. Check the link.",
  PGRST116: "Not found. It may have been removed, or you do not have access.",
};

function toUserError(error: { code?: string; message: string }): Error {
  if (error.code === "P0002") return new UserError(error.message); // raised by our own functions
  const known = error.code && MESSAGES[error.code];
  if (known) return new UserError(known);
  if (/failed to fetch|networkerror|load failed/i.test(error.message)) {
    return new UserError("No connection. Check the network and try again.");
  }
  return new Error(error.message);
}

/** The rows of a query, or throws. */
export async function rows<T>(query: PromiseLike<Answer<T[]>>): Promise<T[]> {
  const { data, error } = await query;
  if (error) throw toUserError(error);
  return data ?? [];
}

/** Rows on one page of a list. */
export const PAGE_SIZE = 15;

/** The first and last row of a page, as .range() takes them. */
export function pageRange(number: number): [from: number, to: number] {
  const from = (number - 1) * PAGE_SIZE;
  return [from, from + PAGE_SIZE - 1];
}

/** One page of rows with the count of all; the query asks for { count: "exact" }. */
export async function page<T>(query: PromiseLike<Answer<T[]> & { count: number | null }>) {
  const { data, error, count } = await query;
  // A page past the end: not an error for a person who opened an old link.
  if (error?.code === "PGRST103") return { rows: [] as T[], total: count ?? 0 };
  if (error) throw toUserError(error);
  return { rows: data ?? [], total: count ?? 0 };
}

/** Exactly one row or value, or throws. Reads end in .maybeSingle(): .single() answers 406 for no row. */
export async function one<T>(query: PromiseLike<Answer<T>>): Promise<T> {
  const { data, error } = await query;
  if (error) throw toUserError(error);
  if (data === null) throw toUserError({ code: "PGRST116", message: "no row" });
  return data;
}

/** An insert that asks for nothing back, for people who may add a row but not read it. */
export async function done(query: PromiseLike<{ error: { code?: string; message: string } | null }>): Promise<void> {
  const { error } = await query;
  if (error) throw toUserError(error);
}

/** An update or delete that ends in .select("id"): throws when no row was changed. */
export async function changed<T>(query: PromiseLike<Answer<T[]>>): Promise<void> {
  if ((await rows(query)).length === 0) throw toUserError({ code: "42501", message: "no row changed" });
}

/** A sentence for the person; what we did not foresee stays in the console. */
export function describeError(error: unknown): string {
  if (error instanceof UserError) return error.message;
  console.error(error);
  return "Something went wrong on our side. Nothing was changed; please try again.";
}

/** Makes typed words safe inside ilike: % and _ are wildcards there, * is one for PostgREST. */
export function searchWords(text: string): string[] {
  const words = text.trim().split(/\s+/).filter(Boolean).slice(0, 6);
  return words.map((word) => `%${word.replace(/[\\%_]/g, "\\$&").replaceAll("*", "")}%`);
}
