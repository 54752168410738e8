import { createBrowserRouter, Outlet, ScrollRestoration } from "react-router";
import { ProtectedRoute } from "@/components/auth/ProtectedRoute";
import { AppShell } from "@/components/layout/AppShell";
import { PublicShell } from "@/components/layout/PublicShell";
import { LoadingScreen, RouteError } from "@/components/layout/RouteError";
import { authPages, Gate, pages, publicPages, standalonePages, type PageRoute } from "@/routes/route-config";

/** Each page is its own chunk, fetched when it is first opened. */
const toRoute = ({ path, load }: PageRoute) => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
});

function Root() {
  return (
    <>
      <Outlet />
      <ScrollRestoration />
    </>
  );
}

export const router = createBrowserRouter([
  {
    element: <Root />,
    errorElement: <RouteError />,
    hydrateFallbackElement: <LoadingScreen />,
    children: [
      ...authPages.map(toRoute),
      { element: <PublicShell />, children: publicPages.map(toRoute) },
      {
        element: <ProtectedRoute />,
        children: [
          ...standalonePages.map(toRoute),
          {
            element: (
              <Gate>
                <AppShell />
              </Gate>
            ),
            // An error inside a page leaves the navigation usable.
            children: [{ errorElement: <RouteError />, children: pages.map(toRoute) }],
          },
        ],
      },
      { path: "*", lazy: async () => ({ Component: (await import("@/pages/NotFound")).default }) },
    ],
  },
]);
