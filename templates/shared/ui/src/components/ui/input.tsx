import type { ComponentProps } from "react";
import { cn } from "@/lib/utils";

/** Shared by Input, Textarea, Select and Combobox. 16 px on phones, so that iOS does not zoom in. */
export const controlClass = cn(
  "w-full rounded-lg border border-line-strong bg-surface px-3 text-base sm:text-sm",
  "placeholder:text-muted aria-invalid:border-danger",
  "disabled:cursor-not-allowed disabled:bg-surface-sunken disabled:text-muted",
);

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input {...props} className={cn(controlClass, "h-10", className)} />;
}
