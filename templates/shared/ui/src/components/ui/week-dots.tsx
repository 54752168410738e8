import { formatDay } from "@/lib/format";
import { lastWeek } from "@/lib/streak";
import { cn } from "@/lib/utils";

/** The last seven days as dots, today at the end. */
export function WeekDots({ days }: { days: readonly string[] }) {
  const week = lastWeek(days);
  const count = week.filter(({ done }) => done).length;
  return (
    <span role="img" aria-label={`${count} of the last 7 days`} className="inline-flex gap-1">
      {week.map(({ day, done }) => (
        <span
          key={day}
          title={`${formatDay(day)}: ${done ? "done" : "not done"}`}
          className={cn("size-3 rounded-full border", done ? "border-primary bg-primary" : "border-line-strong")}
        />
      ))}
    </span>
  );
}
