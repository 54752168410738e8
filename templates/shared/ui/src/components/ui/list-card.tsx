import type { ReactNode } from "react";
import { Link } from "react-router";
import type { LucideIcon } from "lucide-react";
import { Card, CardHeader } from "@/components/ui/card";
import { EmptyState, ErrorState } from "@/components/ui/empty-state";
import { SkeletonRows } from "@/components/ui/skeleton";

type ListCardProps<Row extends { id: string; row_title: string }> = {
  title: string;
  icon: LucideIcon;
  query: { data?: Row[]; error?: unknown; loading: boolean; reload: () => void };
  empty: { title: string; text: string };
  /** The list behind the card. */
  to: string;
  linkOf: (row: Row) => string;
  detailOf: (row: Row) => ReactNode;
};

/** A handful of rows on the dashboard. */
export function ListCard<Row extends { id: string; row_title: string }>(props: ListCardProps<Row>) {
  const { title, icon, query, empty, to, linkOf, detailOf } = props;
  return (
    <Card>
      <CardHeader
        title={title}
        action={
          <Link to={to} className="inline-flex min-h-10 items-center font-medium text-primary-text hover:underline">
            See all
          </Link>
        }
      />
      {query.loading && <SkeletonRows count={3} />}
      {query.error && !query.data ? <ErrorState error={query.error} onRetry={query.reload} /> : null}
      {query.data?.length === 0 && <EmptyState icon={icon} {...empty} />}
      <ul className="divide-y divide-line">
        {query.data?.map((row) => (
          <li key={row.id} className="relative flex items-center gap-4 px-5 py-3 hover:bg-surface-sunken/40">
            <Link
              to={linkOf(row)}
              className="min-w-0 flex-1 truncate font-medium after:absolute after:inset-0 hover:underline"
            >
              {row.row_title}
            </Link>
            <span className="shrink-0 text-muted">{detailOf(row)}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
