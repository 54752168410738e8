import type { LucideIcon } from "lucide-react";
import type { Theme } from "@/lib/theme";

/** The words and choices of src/app.config.ts. */
export type AppConfig = {
  name: string;
  /** One line under the name on the sign-in page. */
  tagline: string;
  /** BCP 47, for example "en-US": how dates and numbers are written. */
  locale: string;
  /** ISO 4217, for example "USD". */
  currency: string;
  theme: Theme;
  icon: LucideIcon;
};
