import { Link } from "react-router";
import { Skeleton } from "@/components/ui/skeleton";
import { cn } from "@/lib/utils";

type StatTileProps = {
  label: string;
  value: string | undefined;
  to: string;
  /** Something waits here. */
  alert?: boolean;
};

/** One number; the tile leads to the list behind it. */
export function StatTile({ label, value, to, alert }: StatTileProps) {
  return (
    <Link
      to={to}
      className="rounded-xl border border-line bg-surface p-4 shadow-card transition-colors hover:border-line-strong sm:p-5"
    >
      <p className="text-muted">{label}</p>
      {value === undefined ? (
        <Skeleton className="mt-2 h-8 w-16" />
      ) : (
        <p className={cn("mt-1 truncate text-2xl font-semibold tracking-tight tabular-nums", alert && "text-warning")}>
          {value}
        </p>
      )}
    </Link>
  );
}
