// What the author is doing this moment: one quiet line in the running step, until something happens that the page
// shows otherwise. It is drawn from the event itself, for it changes several times a second.

type Activity = { text: string; thinking?: boolean }

/** what the authors of turns do, by turn */
const now = new Map<number, Activity>()

/** activity replaces what the author of a turn does; null, or no text, takes it away */
export function activity(turn: number, next: Activity | null) {
  if (next?.text) now.set(turn, next)
  else if (!now.delete(turn)) return
  drawActivity()
}

/** drawActivity writes the lines into the page; a turn that was printed again comes without its own */
export function drawActivity() {
  for (const line of document.querySelectorAll<HTMLElement>(".doing")) {
    const doing = now.get(Number(line.closest<HTMLElement>("[data-turn]")?.dataset.turn))
    line.textContent = doing?.text ?? ""
    line.title = line.textContent
    line.classList.toggle("thinking", Boolean(doing?.thinking))
  }
}
