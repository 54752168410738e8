import { Navigate, Outlet, useLocation } from "react-router";
import { LoadingScreen } from "@/components/layout/RouteError";
import { useAuth } from "@/hooks/useAuth";
import { paths } from "@/routes/paths";

/** Lets signed-in people through; sends others to sign in and back here afterwards. */
export function ProtectedRoute() {
  const { user, loading } = useAuth();
  const { pathname, search } = useLocation();

  if (loading) return <LoadingScreen />;
  if (user) return <Outlet />;

  const here = pathname + search;
  return (
    <Navigate replace to={pathname === "/" ? paths.landing : `${paths.login}?next=${encodeURIComponent(here)}`} />
  );
}
