// Follows one app live. The server is the only one who knows how things look: an event says that a turn
// moved, and the turn's fragment is fetched again, at most once every 200 ms. Log lines, and what the author does
// this moment, are the exception: they are many and simple, and are printed from the event itself.
//
// EventSource reconnects by itself and sends the id of the last event it saw, so nothing is lost or doubled.
import { setClock, tock } from "./clock"
import { activity, drawActivity } from "./doing"
import htmx from "./htmx"
import { filterLog } from "./log"
import { morph } from "./morph"

const pace = 200 // ms between two fetches of the same turn
const kept = 5000 // log lines on the page

export function follow(root: HTMLElement) {
  const app = `/apps/${root.dataset.builder}`
  setClock(Number(root.dataset.now))
  shown = document.querySelector<HTMLElement>("#vers")!.dataset.live!
  const refresh = coalesce((turn) => fetchTurn(app, turn))

  let first = true
  const events = new EventSource(`${app}/events?after=${root.dataset.after}`)
  const state = document.querySelector("#link-state")!
  events.onopen = () => {
    state.textContent = ""
    first = false
  }
  events.onerror = () => {
    state.textContent = events.readyState === EventSource.CLOSED ? "Live updates ended. Reload the page." : first ? "" : "Reconnecting"
  }
  for (const kind of ["turn", "stage", "tool", "text", "fix", "recovery", "preview"]) {
    events.addEventListener(kind, (event) => {
      const turn: number = JSON.parse(event.data).version_id
      if (kind !== "preview") activity(turn, null)
      void refresh(turn)
    })
  }
  events.addEventListener("activity", (event) => {
    const now = JSON.parse(event.data)
    activity(now.version_id, now)
  })
  events.addEventListener("app", (event) => {
    const name = JSON.parse(event.data).name
    const heading = document.querySelector("#app-name")!
    if (name) heading.textContent = name
  })
  events.addEventListener("log", (event) => {
    const line: LogEvent = JSON.parse(event.data)
    heard.push(line)
    if (heard.length > kept) heard.shift()
    appendLog(line)
  })

  root.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement
    if (form.id === "ask" || form.id === "say-form") void send(event as SubmitEvent, form)
    if (form.id === "model-form") void choose(event, form)
    if (form.id === "stop-form") void stop(event, form)
    if (form.id === "route-form") go(event)
  })
  root.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-reload]")) reload()
  })
  // The panel that htmx swapped in starts with the newest log lines in view, and with those that came in
  // after the server had printed it.
  document.addEventListener("htmx:afterSettle", () => {
    for (const line of heard) appendLog(line)
    toLogEnd()
  })
  toLogEnd()
}

/** coalesce calls work for each key at once, then at most every pace ms, and always after the last call */
function coalesce(work: (key: number) => Promise<void>) {
  const busy = new Set<number>()
  const again = new Set<number>()
  return async function call(key: number) {
    if (!key) return
    if (busy.has(key)) {
      again.add(key)
      return
    }
    busy.add(key)
    const pause = new Promise((done) => setTimeout(done, pace))
    await work(key).catch(() => {}) // offline: the events that follow the reconnect fetch it again
    await pause
    busy.delete(key)
    if (again.delete(key)) void call(key)
  }
}

async function fetchTurn(app: string, turn: number) {
  const answer = await fetch(`${app}/turns/${turn}`, { headers: { "HX-Request": "true" } })
  if (answer.status === 401) location.reload()
  if (answer.ok) apply(await answer.text())
}

/** apply morphs each element of a fragment into the page by its id; a new turn goes to the end */
function apply(html: string) {
  const holder = document.createElement("template")
  holder.innerHTML = html
  for (const next of [...holder.content.children]) {
    const old = document.getElementById(next.id)
    if (next.id.startsWith("turn-")) noteTurn(old, next as HTMLElement)
    if (old) morph(old, next)
    else if (next.id.startsWith("turn-")) append(next)
  }
  tock(document)
  drawActivity()
  showPreview()
}

const running = (turn: HTMLElement) => turn.dataset.state === "queued" || turn.dataset.state === "building"

/** noteTurn brings the other tabs up to date when a turn starts or ends */
function noteTurn(old: HTMLElement | null, next: HTMLElement) {
  const began = !old && running(next)
  const ended = !running(next) && (!old || running(old))
  const panel = document.querySelector<HTMLElement>("#panel")!
  const tab = panel.dataset.tab!
  const forms = tab === "settings" || tab === "publish" // what somebody typed there is not thrown away
  if (tab === "preview" || !(ended || (began && !forms))) return
  const path = new URL(location.href)
  path.searchParams.delete("v")
  // Nobody is torn away from an older version, or from a field or a file that they are at.
  if (!("pinned" in panel.dataset) && !panel.contains(document.activeElement) && !(ended && forms)) {
    void htmx.ajax("GET", path.pathname + path.search, { target: "#panel", swap: "outerHTML" })
    return
  }
  const newer = document.querySelector<HTMLElement>("#newer")!
  if (!ended || next.dataset.state === "unchanged") return
  const link = document.createElement("a")
  link.href = path.pathname + path.search
  link.textContent = "Show it"
  newer.replaceChildren(`Version ${next.dataset.number} is ${next.dataset.state === "green" ? "ready" : "over"}. `, link)
  newer.hidden = false
}

function append(turn: Element) {
  const list = document.querySelector("#turns")!
  list.querySelector(".empty")?.remove()
  // Turns come in the order of their ids; one of them may arrive late.
  const id = Number((turn as HTMLElement).dataset.turn)
  const after = [...list.querySelectorAll<HTMLElement>("[data-turn]")].find((t) => Number(t.dataset.turn) > id)
  list.insertBefore(turn, after ?? null)
  htmx.process(turn)
  const count = list.querySelectorAll("[data-turn]").length
  const words = document.querySelector("#turn-count")!
  if (!words.textContent!.startsWith("The last")) words.textContent = count === 1 ? "1 turn" : `${count} turns`
}

/** the live version that the preview shows */
let shown = ""

/** showPreview moves the preview to the live version when the version bar names another one */
function showPreview() {
  const live = document.querySelector<HTMLElement>("#vers")!.dataset.live!
  const panel = document.querySelector<HTMLElement>("#panel")!
  if (shown === live) return
  shown = live
  if (panel.dataset.tab !== "preview") return
  const frame = document.querySelector<HTMLIFrameElement>("#frame")
  if (frame) void lead(frame, frame.dataset.route!)
  // The first green version: the page has to know the frame's address, and only the server knows it.
  else if (live) htmx.ajax("GET", document.querySelector("#tab-preview")!.getAttribute("href")!, { target: "#panel", swap: "outerHTML" })
}

function reload() {
  const frame = document.querySelector<HTMLIFrameElement>("#frame")
  if (frame) void lead(frame, frame.dataset.route!)
}

/** lead shows a route in the frame, at an address that the server signs anew: the link of an old page may have ended */
async function lead(frame: HTMLIFrameElement, route: string) {
  frame.dataset.route = route
  let to = new URL(route, frame.dataset.base).href
  try {
    const answer = await fetch(opener(frame, route), { headers: { "HX-Request": "true" } })
    if (answer.status === 401) location.reload()
    if (answer.ok) to = await answer.text()
  } catch {
    // Offline. What the frame was let into before may still be open.
  }
  if (frame.dataset.route === route) frame.src = to
}

const opener = (frame: HTMLIFrameElement, route: string) => `${frame.dataset.open}?route=${encodeURIComponent(route)}`

/** go leads the preview to the route in the field, which stays on the app's origin */
function go(event: Event) {
  const frame = document.querySelector<HTMLIFrameElement>("#frame")
  const field = document.querySelector<HTMLInputElement>("#route")!
  if (!frame) return
  event.preventDefault()
  const base = new URL(frame.dataset.base!)
  const to = new URL(field.value.startsWith("/") ? field.value : `/${field.value}`, base)
  if (to.origin !== base.origin) return
  field.value = to.pathname + to.search + to.hash
  void lead(frame, field.value)
  document.querySelector("#open-route")?.setAttribute("href", opener(frame, field.value))
}

function post(form: HTMLFormElement, submitter?: HTMLElement | null): Promise<Response> {
  const body = new URLSearchParams(new FormData(form, submitter) as never)
  return fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } })
}

/** send posts what is in the field, or what a button of a turn says: a choice, or the same request again */
async function send(event: SubmitEvent, form: HTMLFormElement) {
  const pressed = event.submitter as HTMLButtonElement | null
  if (pressed?.hasAttribute("formaction")) return // not a message: the page follows it
  event.preventDefault()
  const field = document.querySelector<HTMLTextAreaElement>("#say")!
  const button = pressed ?? form.querySelector<HTMLButtonElement>("button[type=submit].primary")!
  const wrong = document.querySelector("#ask-error")!
  const request = post(form, pressed)
  button.disabled = true
  try {
    const answer = await request
    if (answer.status === 401) location.reload()
    if (answer.ok) {
      if (form.id === "ask") field.value = ""
      wrong.replaceChildren()
    }
    apply(await answer.text())
  } catch {
    complain(form.id === "ask" ? "The server did not answer. Your message is still in the field; send it again." : "The server did not answer. Nothing was sent; try again.")
  } finally {
    button.disabled = false
    field.focus()
  }
}

function complain(sentence: string) {
  apply(`<div id="ask-error"><div class="banner bad" role="alert"><p>${sentence}</p></div></div>`)
}

/** choose sends the choice of the model; a choice that is refused is taken back */
async function choose(event: Event, form: HTMLFormElement) {
  event.preventDefault()
  try {
    const answer = await post(form)
    if (answer.status === 401) location.reload()
    apply(await answer.text())
  } catch {
    complain("The server did not answer. The model is the one it was.")
  }
  for (const option of document.querySelectorAll<HTMLOptionElement>("#pick-model option")) option.selected = option.defaultSelected
}

async function stop(event: Event, form: HTMLFormElement) {
  event.preventDefault()
  const button = document.querySelector<HTMLButtonElement>("#stop button")
  if (button) button.disabled = true
  try {
    const answer = await post(form)
    apply(await answer.text())
  } catch {
    if (button) button.disabled = false
  }
}

/** the log lines of the stream, for panels that are printed later */
const heard: LogEvent[] = []

/** which lines an element holds; the page and the stream overlap, and no line may be doubled */
const printed = new WeakMap<HTMLElement, Set<string>>()

function linesOf(log: HTMLElement): Set<string> {
  let keys = printed.get(log)
  if (!keys) {
    keys = new Set([...log.children].map((line) => [line.querySelector("time")!.dateTime, line.querySelector("b")!.textContent, line.querySelector("span")!.textContent].join("\t")))
    printed.set(log, keys)
  }
  return keys
}

type LogEvent = { version_id: number; stage: string; level: string; text: string; at: string }

function appendLog(event: LogEvent) {
  const log = document.querySelector<HTMLElement>("#log-lines")
  if (!log || Number(log.dataset.version) !== event.version_id) return
  const keys = linesOf(log)
  const key = [event.at, event.stage, event.text].join("\t")
  if (keys.has(key)) return
  keys.add(key)
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  const line = document.createElement("p")
  line.className = ["warn", "error"].includes(event.level) ? event.level : "info"
  const time = document.createElement("time")
  const at = new Date(event.at)
  time.dateTime = event.at
  time.textContent = at.toISOString().slice(11, 23)
  const stage = document.createElement("b")
  stage.textContent = event.stage
  const text = document.createElement("span")
  text.textContent = event.text
  line.append(time, stage, text)
  filterLog([line])
  log.append(line)
  while (log.childElementCount > kept) log.firstElementChild!.remove()
  if (atEnd) log.scrollTop = log.scrollHeight
}

function toLogEnd() {
  const log = document.querySelector<HTMLElement>("#log-lines")
  if (log && !log.dataset.seen) {
    log.dataset.seen = ""
    log.scrollTop = log.scrollHeight
  }
}
