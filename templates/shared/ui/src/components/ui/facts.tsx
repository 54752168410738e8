import type { ReactNode } from "react";
import { Card } from "@/components/ui/card";

/** What is known about something: pairs of a name and a value. */
export function Facts({ children }: { children: ReactNode }) {
  return (
    <Card>
      <dl className="divide-y divide-line px-5">{children}</dl>
    </Card>
  );
}

export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex min-h-14 items-center justify-between gap-3 py-2">
      <dt className="shrink-0 text-muted">{label}</dt>
      <dd className="min-w-0 text-right wrap-anywhere">{children}</dd>
    </div>
  );
}
