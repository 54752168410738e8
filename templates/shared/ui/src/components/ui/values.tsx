import type { ReactNode } from "react";
import { Link } from "react-router";
import { Badge } from "@/components/ui/badge";
import { formatDay, formatMoney, formatNumber, today } from "@/lib/format";

const linkClass =
  "relative z-10 inline-flex min-h-6 items-center underline decoration-line-strong underline-offset-2 hover:text-ink";

/** A value, or a dash where there is none. */
export function Maybe<T>({ value, children }: { value: T | null; children: (value: T) => ReactNode }) {
  return value === null || value === "" ? <span className="text-muted">—</span> : <>{children(value)}</>;
}

export function Money({ cents }: { cents: number | null }) {
  return (
    <Maybe value={cents}>{(known) => <span className="tabular-nums">{formatMoney(known)}</span>}</Maybe>
  );
}

export function Amount({ value, unit }: { value: number | null; unit?: string }) {
  return (
    <Maybe value={value}>
      {(known) => <span className="whitespace-nowrap tabular-nums">{formatNumber(known, unit)}</span>}
    </Maybe>
  );
}

export function PhoneLink({ phone }: { phone: string | null }) {
  return (
    <Maybe value={phone}>
      {(known) => (
        <a href={`tel:${known.replace(/[^\d+]/g, "")}`} className={`${linkClass} whitespace-nowrap tabular-nums`}>
          {known}
        </a>
      )}
    </Maybe>
  );
}

export function EmailLink({ email }: { email: string | null }) {
  return (
    <Maybe value={email}>
      {(known) => (
        <a href={`mailto:${known}`} className={`${linkClass} break-all`}>
          {known}
        </a>
      )}
    </Maybe>
  );
}

/** A link to another site. Only http and https: a stored "javascript:" must never become a link. */
export function WebLink({ url }: { url: string | null }) {
  return (
    <Maybe value={url}>
      {(known) =>
        /^https?:\/\//i.test(known) ? (
          <a href={known} target="_blank" rel="noreferrer" className={`${linkClass} break-all`}>
            {known.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "")}
          </a>
        ) : (
          <span className="break-all">{known}</span>
        )
      }
    </Maybe>
  );
}

/** A picture from a stored address; an empty frame where there is none. */
export function Picture({ url, alt, className = "size-10" }: { url: string | null; alt: string; className?: string }) {
  const frame = `${className} shrink-0 rounded-lg border border-line bg-surface-sunken object-cover`;
  if (!url || !/^https?:\/\//i.test(url)) return <span className={`${frame} block`} aria-hidden />;
  return <img src={url} alt={alt} loading="lazy" className={frame} />;
}

export function Swatch({ color }: { color: string | null }) {
  return (
    <Maybe value={color}>
      {(known) => (
        <span className="inline-flex items-center gap-2">
          <span className="size-4 rounded-full border border-line-strong" style={{ backgroundColor: known }} aria-hidden />
          {known}
        </span>
      )}
    </Maybe>
  );
}

/** A text with one thing per line, as a list. */
export function Lines({ text, ordered }: { text: string; ordered?: boolean }) {
  const List = ordered ? "ol" : "ul";
  return (
    <List className={`space-y-1.5 p-5 pl-10 leading-relaxed ${ordered ? "list-decimal" : "list-disc"}`}>
      {text
        .split("\n")
        .filter((line) => line.trim())
        .map((line, index) => (
          <li key={index}>{line}</li>
        ))}
    </List>
  );
}

/** The name of another row, leading to it. */
export function RefLink({ to, title }: { to: string | null; title: string | null }) {
  if (!to) return <span className="text-muted">—</span>;
  return (
    <Link to={to} className="relative z-10 font-medium hover:underline">
      {title || "Untitled"}
    </Link>
  );
}

/** A day by which something should be finished; says so when it has passed. */
export function DueDay({ day, open }: { day: string | null; open: boolean }) {
  return (
    <Maybe value={day}>
      {(known) => (
        <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
          {formatDay(known)}
          {open && known < today() && <Badge tone="danger">Overdue</Badge>}
          {open && known === today() && <Badge tone="warning">Today</Badge>}
        </span>
      )}
    </Maybe>
  );
}
