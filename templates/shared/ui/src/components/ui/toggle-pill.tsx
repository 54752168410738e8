import type { ReactNode } from "react";
import type { LucideIcon } from "lucide-react";
import { cn } from "@/lib/utils";

type TogglePillProps = {
  pressed: boolean;
  icon: LucideIcon;
  /** What a screen reader says, with the name of the row. */
  label: string;
  onToggle: (pressed: boolean) => void;
  children: ReactNode;
};

/** A switch that looks like a small pill: done, voted, paid. */
export function TogglePill({ pressed, icon: Icon, label, onToggle, children }: TogglePillProps) {
  return (
    <button
      type="button"
      aria-pressed={pressed}
      aria-label={label}
      onClick={() => onToggle(!pressed)}
      className={cn(
        "inline-flex h-10 items-center gap-1.5 rounded-full border px-3 text-xs font-medium whitespace-nowrap tabular-nums transition-colors sm:h-8",
        pressed
          ? "border-transparent bg-success-soft text-success"
          : "border-line-strong text-muted hover:bg-surface-sunken hover:text-ink",
      )}
    >
      <Icon className="size-3.5" aria-hidden />
      {children}
    </button>
  );
}
