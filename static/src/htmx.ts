// htmx looks for itself on window in a few places, and reads its settings from the page's meta element.
import htmx from "./vendor/htmx.org/htmx.esm.js"

declare global {
  interface Window {
    htmx: typeof htmx
  }
}
window.htmx = htmx
export default htmx
