import { appConfig } from "@/app.config";

/** The app's icon on its colour, with its name. */
export function Logo() {
  const Icon = appConfig.icon;
  return (
    <span className="flex min-w-0 items-center gap-2.5 font-semibold tracking-tight">
      <span className="grid size-7 shrink-0 place-items-center rounded-lg bg-primary text-primary-ink">
        <Icon className="size-4" aria-hidden />
      </span>
      <span className="truncate">{appConfig.name}</span>
    </span>
  );
}
