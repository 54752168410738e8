import { ChevronDownIcon } from "lucide-react";
import { Badge, toneClass, type Tone } from "@/components/ui/badge";
import { cn } from "@/lib/utils";

/** One choice of a list of states. */
export type Choice<Value extends string> = { value: Value; label: string; tone: Tone; done?: boolean };

/** The choice with this value. A value that is no longer among the choices shows as it is. */
export function choiceOf<Value extends string>(choices: readonly Choice<Value>[], value: string): Choice<string> {
  return choices.find((choice) => choice.value === value) ?? { value, label: value, tone: "neutral" };
}

type ChoiceBadgeProps<Value extends string> = { choices: readonly Choice<Value>[]; value: Value | null };

export function ChoiceBadge<Value extends string>({ choices, value }: ChoiceBadgeProps<Value>) {
  if (value === null) return <span className="text-muted">—</span>;
  const { label, tone } = choiceOf(choices, value);
  return <Badge tone={tone}>{label}</Badge>;
}

type BadgeSelectProps<Value extends string> = {
  label: string;
  choices: readonly Choice<Value>[];
  value: Value | null;
  onChange: (value: Value) => void;
};

/** A badge that is a native select: one tap to move a row on. */
export function BadgeSelect<Value extends string>({ label, choices, value, onChange }: BadgeSelectProps<Value>) {
  return (
    <span className="relative inline-block">
      <select
        aria-label={label}
        value={value ?? ""}
        onChange={(event) => {
          const next = choices.find((choice) => choice.value === event.target.value);
          if (next) onChange(next.value);
        }}
        className={cn(
          "h-10 max-w-44 appearance-none truncate rounded-full pr-8 pl-3.5 text-xs font-medium sm:h-8 [&>option]:bg-surface [&>option]:text-ink",
          toneClass(value === null ? "neutral" : choiceOf(choices, value).tone),
        )}
      >
        {value === null && <option value="">—</option>}
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
      <ChevronDownIcon
        className="pointer-events-none absolute top-1/2 right-2.5 size-3.5 -translate-y-1/2 opacity-70"
        aria-hidden
      />
    </span>
  );
}
