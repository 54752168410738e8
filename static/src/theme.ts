// Runs before the first paint, so that a chosen theme does not flash: it blocks, and it is tiny.
// The data-js attribute shows what only works with script.
try {
  const chosen = localStorage.getItem("theme")
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen
} catch {
  // Storage is off: the system's theme it is.
}
document.documentElement.dataset.js = ""
