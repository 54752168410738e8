// Times that move: how long a step has been running, and how long ago something was.

/** what the server's clock is ahead of this one, in ms */
let ahead = 0

export function setClock(serverNow: number) {
  ahead = serverNow - Date.now()
}

/** took says a duration as vm.Took does */
function took(ms: number): string {
  if (ms < 59_950) return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`
}

/** ago says a moment as vm.NewTime does, for as long as that changes while a page is open */
function ago(ms: number): string | null {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return "just now"
  if (minutes < 60) return `${minutes} min ago`
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`
  return null
}

/** tock prints running times into part at once, so that a new one is never empty */
export function tock(part: ParentNode) {
  const now = Date.now() + ahead
  for (const at of part.querySelectorAll<HTMLElement>("time[data-since]")) at.textContent = took(now - Number(at.dataset.since))
}

/** tick keeps all times of the page moving */
export function tick() {
  tock(document)
  setInterval(() => tock(document), 100)
  setInterval(() => {
    for (const at of document.querySelectorAll<HTMLTimeElement>("time[data-ago]")) {
      const text = ago(Date.now() + ahead - Date.parse(at.dateTime))
      if (text) at.textContent = text
    }
  }, 30_000)
}
