import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "@/App";
import { applyTheme } from "@/lib/theme";
import "@/tokens.css";
import "@/index.css";

applyTheme(); // before the first paint, so that a dark screen does not flash white

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
