import { Fragment, type ComponentType } from "react";
import { LayoutDashboardIcon, type LucideIcon } from "lucide-react";
import { paths } from "@/routes/paths";

export type PageRoute = { path: string; load: () => Promise<{ default: ComponentType }> };
export type NavItem = { to: string; label: string; icon: LucideIcon };

/** Ways in: open to everybody, without a frame. */
export const authPages: PageRoute[] = [
  { path: paths.login, load: () => import("@/pages/auth/Login") },
  { path: paths.signup, load: () => import("@/pages/auth/Signup") },
  { path: paths.forgotPassword, load: () => import("@/pages/auth/ForgotPassword") },
];

/** Open to everybody, inside the public frame. */
export const publicPages: PageRoute[] = [];

export const publicNavItems: NavItem[] = [];

/** Signed in, but outside the shell. */
export const standalonePages: PageRoute[] = [];

/** Signed in, behind the gate, inside the shell. */
export const pages: PageRoute[] = [{ path: paths.dashboard, load: () => import("@/pages/Dashboard") }];

export const navItems: NavItem[] = [{ to: paths.dashboard, label: "Dashboard", icon: LayoutDashboardIcon }];

/** What must be settled before the app proper, such as choosing a workspace. */
export const Gate = Fragment;
