import { LayoutGridIcon } from "lucide-react";
import type { AppConfig } from "@/lib/config";

/** What makes this app this app. The foundation reads its words from here. */
export const appConfig: AppConfig = {
  name: "{{APP_NAME}}",
  tagline: "Sign in to start.",
  locale: "en-US",
  currency: "USD",
  /** What the app starts in: "system" follows the device. */
  theme: "system",
  icon: LayoutGridIcon,
};
