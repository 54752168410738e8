import { NavLink } from "react-router";
import { navItems } from "@/routes/route-config";
import { cn } from "@/lib/utils";

/** The main navigation: a column beside the page, or a bar at the thumb on phones. */
export function Navigation({ layout }: { layout: "column" | "bar" }) {
  const column = layout === "column";
  return (
    <nav aria-label="Main">
      <ul className={column ? "space-y-0.5" : "grid auto-cols-[minmax(4.25rem,1fr)] grid-flow-col overflow-x-auto [scrollbar-width:none]"}>
        {navItems.map(({ to, label, icon: Icon }) => (
          <li key={to}>
            <NavLink
              to={to}
              end={to === "/"}
              className={({ isActive }) =>
                cn(
                  "flex items-center font-medium transition-colors focus-visible:-outline-offset-2",
                  column ? "h-10 gap-3 rounded-lg px-3" : "h-14 flex-col justify-center gap-1 px-1 text-xs",
                  isActive ? "text-primary-text" : "text-muted hover:text-ink",
                  column && (isActive ? "bg-primary-soft" : "hover:bg-surface-sunken"),
                )
              }
            >
              <Icon className={cn("shrink-0", column ? "size-4" : "size-5")} aria-hidden />
              <span className="max-w-full truncate">{label}</span>
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}
