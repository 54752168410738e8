import { appConfig } from "@/app.config";
import { storage } from "@/lib/storage";

export type Theme = "system" | "light" | "dark";

const STORAGE_KEY = "theme";
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

/** The person's choice, or what the app starts in. */
export function savedTheme(): Theme {
  const saved = storage.getItem(STORAGE_KEY);
  return saved === "system" || saved === "light" || saved === "dark" ? saved : appConfig.theme;
}

export function saveTheme(theme: Theme) {
  storage.setItem(STORAGE_KEY, theme);
  applyTheme();
}

/** Puts the theme on <html>; "system" follows the device, also when it changes later. */
export function applyTheme() {
  const theme = savedTheme();
  const dark = theme === "dark" || (theme === "system" && systemDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

systemDark.addEventListener("change", applyTheme);
