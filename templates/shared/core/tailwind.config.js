/**
 * Names for the tokens of src/tokens.css. Components use these names only
 * (bg-surface, text-muted, border-line ...), never raw colours, so a palette
 * change is a change of one file.
 * @type {import("tailwindcss").Config}
 */
export default {
  darkMode: ["selector", '[data-theme="dark"]'],
  content: ["./index.html", "./src/**/*.{ts,tsx}"],
  theme: {
    extend: {
      colors: {
        canvas: "var(--canvas)",
        surface: { DEFAULT: "var(--surface)", sunken: "var(--surface-sunken)" },
        line: { DEFAULT: "var(--line)", strong: "var(--line-strong)" },
        ink: "var(--ink)",
        muted: "var(--muted)",
        primary: {
          DEFAULT: "var(--primary)",
          hover: "var(--primary-hover)",
          ink: "var(--primary-ink)",
          soft: "var(--primary-soft)",
          text: "var(--primary-text)",
        },
        accent: { DEFAULT: "var(--accent)", soft: "var(--accent-soft)" },
        info: { DEFAULT: "var(--info)", soft: "var(--info-soft)" },
        success: { DEFAULT: "var(--success)", soft: "var(--success-soft)" },
        warning: { DEFAULT: "var(--warning)", soft: "var(--warning-soft)" },
        danger: {
          DEFAULT: "var(--danger)",
          hover: "var(--danger-hover)",
          soft: "var(--danger-soft)",
          solid: "var(--danger-solid)",
        },
      },
      boxShadow: {
        card: "0 1px 2px rgb(0 0 0 / 0.05)",
        float: "0 12px 32px rgb(0 0 0 / 0.18), 0 2px 6px rgb(0 0 0 / 0.08)",
      },
    },
  },
};
