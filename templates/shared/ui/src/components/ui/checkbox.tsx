import type { ChangeEvent, ComponentProps } from "react";
import { cn } from "@/lib/utils";

type CheckboxProps = Omit<ComponentProps<"input">, "type" | "value" | "onChange"> & {
  label: string;
  /** "true" or "", as useForm keeps it. */
  value: string;
  onChange: (event: { target: { value: string } }) => void;
};

/** A yes or no with its label beside it: it needs no Field around it. */
export function Checkbox({ label, value, onChange, className, ...props }: CheckboxProps) {
  return (
    <label className={cn("flex min-h-10 items-center gap-3 font-medium", className)}>
      <input
        {...props}
        type="checkbox"
        checked={value === "true"}
        onChange={(event: ChangeEvent<HTMLInputElement>) =>
          onChange({ target: { value: event.target.checked ? "true" : "" } })
        }
        className="size-5 shrink-0 accent-(--primary)"
      />
      {label}
    </label>
  );
}
