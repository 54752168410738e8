import { dayFromToday } from "@/lib/format";

/** How many days in a row, up to today or yesterday: a day that is not over has not broken the streak. */
export function streakOf(days: readonly string[]): number {
  const done = new Set(days);
  let length = 0;
  for (let back = done.has(dayFromToday(0)) ? 0 : 1; done.has(dayFromToday(-back)); back++) length++;
  return length;
}

/** The last seven days, oldest first, with whether each is among `days`. */
export function lastWeek(days: readonly string[]): { day: string; done: boolean }[] {
  return Array.from({ length: 7 }, (_, index) => {
    const day = dayFromToday(index - 6);
    return { day, done: days.includes(day) };
  });
}
