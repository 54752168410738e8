import { useState } from "react";
import { Monitor, Moon, Sun } from "lucide-react";
import { Button } from "@/components/ui/button";
import { savedTheme, saveTheme, type Theme } from "@/lib/theme";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: Monitor, light: Sun, dark: Moon };

export function ThemeToggle() {
  const [theme, setTheme] = useState(savedTheme);
  const Icon = ICONS[theme];

  function change() {
    saveTheme(NEXT[theme]);
    setTheme(NEXT[theme]);
  }

  const label = `Theme: ${theme}. Change to ${NEXT[theme]}`;
  return (
    <Button variant="ghost" size="icon" aria-label={label} title={label} onClick={change}>
      <Icon aria-hidden />
    </Button>
  );
}
