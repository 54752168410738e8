// The script of every page. Pages work without it; it makes them quicker to use.
import "./htmx"
import { follow } from "./builder"
import { tick } from "./clock"
import { filterLog } from "./log"

/** storage that may be switched off in the browser */
function remember(key: string, value: string) {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Nothing to keep it in; the choice lasts until the page closes.
  }
}

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function closest(event: Event, selector: string): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>(selector) : null
}

function switchTheme() {
  const root = document.documentElement
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  root.dataset.theme = dark ? "light" : "dark"
  remember("theme", root.dataset.theme)
}

/** dress prepares what came with the page or with a swap */
function dress(part: ParentNode) {
  for (const button of part.querySelectorAll<HTMLElement>("[data-theme-switch], [data-copy]")) button.hidden = false
  for (const list of part.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")]
    for (const tab of tabs) tab.tabIndex = tab.getAttribute("aria-selected") === "true" ? 0 : -1
  }
}

async function copy(button: HTMLElement) {
  const from = document.querySelector<HTMLElement>(button.dataset.copy!)
  if (!from) return
  // Lines are elements: textContent of each, so that line numbers stay behind.
  const lines = [...from.children].filter((line) => !(line as HTMLElement).hidden)
  const text = lines.map((line) => (line.children.length ? [...line.childNodes].map((n) => n.textContent).join(line.tagName === "P" ? "  " : "") : line.textContent)).join("\n")
  await navigator.clipboard.writeText(text)
  const label = button.getAttribute("aria-label")!
  button.setAttribute("aria-label", "Copied")
  button.setAttribute("aria-pressed", "true")
  setTimeout(() => {
    button.setAttribute("aria-label", label)
    button.removeAttribute("aria-pressed")
  }, 1500)
}

/** find hides what does not hold the words; folders stay when something in them does */
function find(input: HTMLInputElement) {
  const words = input.value.toLowerCase().trim()
  const list = input.closest(".side")?.querySelector(input.dataset.find!)
  for (const item of list?.querySelectorAll<HTMLElement>("li") ?? []) {
    const text = (item.dataset.path || item.textContent || "").toLowerCase()
    item.hidden = words !== "" && !text.includes(words)
  }
  if (words === "") return
  for (const file of list?.querySelectorAll<HTMLElement>("li:not([hidden])") ?? []) {
    for (let at = file.parentElement?.closest("li"); at; at = at.parentElement?.closest("li")) {
      at.hidden = false
      at.querySelector("details")!.open = true
    }
  }
}

function arrowKeys(event: KeyboardEvent, tab: HTMLElement) {
  const all = [...tab.closest("[role=tablist]")!.querySelectorAll<HTMLElement>("[role=tab]")].filter((t) => t.offsetParent)
  const at = all.indexOf(tab)
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 }[event.key]
  if (to === undefined) return
  all[(to + all.length) % all.length].focus()
  event.preventDefault()
}

/** resize lets pointer and keyboard set the width of the chat, and keeps it */
function resize(handle: HTMLElement) {
  const builder = handle.parentElement!
  const set = (width: number) => {
    const px = Math.round(Math.min(640, Math.max(320, width)))
    builder.style.setProperty("--chat", `${px}px`)
    handle.setAttribute("aria-valuenow", String(px))
    remember("chat", String(px))
  }
  const kept = Number(recall("chat"))
  if (kept) set(kept)
  handle.addEventListener("pointerdown", (down) => {
    handle.setPointerCapture(down.pointerId)
    builder.classList.add("resizing")
    const move = (event: PointerEvent) => set(event.clientX - builder.getBoundingClientRect().left)
    handle.addEventListener("pointermove", move)
    handle.addEventListener("lostpointercapture", () => {
      builder.classList.remove("resizing")
      handle.removeEventListener("pointermove", move)
    }, { once: true })
  })
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key]
    if (!step) return
    set(Number(handle.getAttribute("aria-valuenow")) + step)
    event.preventDefault()
  })
}

document.addEventListener("click", (event) => {
  if (closest(event, "[data-theme-switch]")) switchTheme()
  const view = closest(event, "[data-to]")
  if (view) {
    document.body.dataset.view = view.dataset.to
    if (view.dataset.to === "chat") event.preventDefault()
  }
  const copier = closest(event, "[data-copy]")
  if (copier) void copy(copier)
  const start = closest(event, "[data-start]")
  const field = document.querySelector<HTMLTextAreaElement>("#p")
  if (start && field) {
    field.value = start.dataset.start!
    field.focus()
    event.preventDefault()
  }
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.drop[open]")) {
    if (!menu.contains(event.target as Node)) menu.open = false
  }
})

document.addEventListener("keydown", (event) => {
  const field = closest(event, "[data-send]") as HTMLTextAreaElement | null
  if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    field.form!.requestSubmit()
  }
  const tab = closest(event, "[role=tab]")
  if (tab) arrowKeys(event, tab)
  if (event.key === "Escape") for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.drop[open]")) menu.open = false
})

document.addEventListener("input", (event) => {
  const field = closest(event, "[data-find]")
  if (field) find(field as HTMLInputElement)
  if (closest(event, "[data-log-filter], [name=lv]")) filterLog(document.querySelectorAll("#log-lines > p"))
})

document.addEventListener("change", (event) => {
  const form = (event.target as HTMLSelectElement).form // which may stand elsewhere
  if (form?.matches("[data-auto]") && !form.hasAttribute("hx-get")) form.requestSubmit()
})

// A second click must not send a form twice. The disabling waits a moment: a disabled button would not
// be part of the submission that is being made.
document.addEventListener("submit", (event) => {
  const form = closest(event, "form[data-submit-once]")
  if (!form || event.defaultPrevented) return
  setTimeout(() => {
    for (const button of form.querySelectorAll<HTMLButtonElement>("button[type=submit]")) {
      button.disabled = true
      button.setAttribute("aria-busy", "true")
    }
  })
})
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll<HTMLButtonElement>("form[data-submit-once] button[aria-busy]")) {
    button.disabled = false
    button.removeAttribute("aria-busy")
  }
})

// A fragment that fails is asked for again as a page, which says what is wrong.
document.addEventListener("htmx:responseError", (event) => {
  const path = (event as CustomEvent).detail.pathInfo?.finalRequestPath
  if (path && !/\/(turns|tools)\//.test(path)) location.assign(path)
})
document.addEventListener("htmx:afterSettle", (event) => dress((event.target as Element)?.parentNode ?? document))

dress(document)
tick()
const handle = document.querySelector<HTMLElement>(".handle")
if (handle) resize(handle)
const builder = document.querySelector<HTMLElement>("[data-builder]")
if (builder) follow(builder)
