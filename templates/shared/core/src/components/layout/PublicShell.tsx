import { Link, NavLink, Outlet } from "react-router";
import { Logo } from "@/components/layout/Logo";
import { ThemeToggle } from "@/components/layout/ThemeToggle";
import { ButtonLink } from "@/components/ui/button";
import { useAuth } from "@/hooks/useAuth";
import { cn } from "@/lib/utils";
import { paths } from "@/routes/paths";
import { publicNavItems } from "@/routes/route-config";

/** The frame around the pages that need no account. */
export function PublicShell() {
  const { user, loading } = useAuth();
  return (
    <div className="flex min-h-dvh flex-col">
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex max-w-5xl flex-wrap items-center gap-x-6 gap-y-1 px-4 py-2 sm:px-6">
          <Link to={paths.landing} className="mr-auto min-w-0">
            <Logo />
          </Link>
          {publicNavItems.length > 1 && (
            <nav aria-label="Main" className="order-last w-full sm:order-none sm:w-auto">
              <ul className="flex gap-1 overflow-x-auto">
                {publicNavItems.map(({ to, label }) => (
                  <li key={to}>
                    <NavLink
                      to={to}
                      className={({ isActive }) =>
                        cn(
                          "flex h-10 items-center rounded-lg px-3 font-medium whitespace-nowrap",
                          isActive ? "bg-primary-soft text-primary-text" : "text-muted hover:text-ink",
                        )
                      }
                    >
                      {label}
                    </NavLink>
                  </li>
                ))}
              </ul>
            </nav>
          )}
          <div className="flex items-center">
            <ThemeToggle />
            {!loading && (
              <ButtonLink to={user ? paths.dashboard : paths.login} variant="ghost" size="sm">
                {user ? "Open the app" : "Sign in"}
              </ButtonLink>
            )}
          </div>
        </div>
      </header>
      <main className="mx-auto w-full max-w-5xl flex-1 px-4 py-8 sm:px-6 sm:py-12">
        <Outlet />
      </main>
    </div>
  );
}
