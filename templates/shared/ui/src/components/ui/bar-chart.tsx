import { ChartColumnIcon } from "lucide-react";
import { Card, CardHeader } from "@/components/ui/card";
import { EmptyState, ErrorState } from "@/components/ui/empty-state";
import { SkeletonRows } from "@/components/ui/skeleton";

export type Bar = { label: string; value: number };

type BarChartProps = {
  title: string;
  bars: Bar[] | undefined;
  error?: unknown;
  onRetry: () => void;
  format: (value: number) => string;
};

/** Horizontal bars with their numbers: a table to screen readers, and room for long names. */
export function BarChart({ title, bars, error, onRetry, format }: BarChartProps) {
  const largest = Math.max(1, ...(bars ?? []).map(({ value }) => Math.abs(value)));
  return (
    <Card>
      <CardHeader title={title} />
      {bars === undefined && (error ? <ErrorState error={error} onRetry={onRetry} /> : <SkeletonRows count={4} />)}
      {bars?.length === 0 && (
        <EmptyState icon={ChartColumnIcon} title="Nothing to draw yet" text="The chart fills as things are added." />
      )}
      {bars && bars.length > 0 && (
        <table aria-label={title} className="m-5 w-[calc(100%-2.5rem)]">
          <tbody>
            {bars.map(({ label, value }) => (
              <tr key={label}>
                <th scope="row" className="w-px max-w-36 truncate py-1.5 pr-3 text-left font-normal text-muted">
                  {label}
                </th>
                <td aria-hidden className="py-1.5">
                  <div
                    className="h-5 min-w-0.5 rounded bg-primary"
                    style={{ width: `${(Math.abs(value) / largest) * 100}%` }}
                  />
                </td>
                <td className="w-px py-1.5 pl-3 text-right font-medium whitespace-nowrap tabular-nums">
                  {format(value)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
