// The filter of the build log.

/** filterLog narrows the build log by words or /expression/ and by level */
export function filterLog(lines: Iterable<Element>) {
  const field = document.querySelector<HTMLInputElement>("[data-log-filter]")
  const level = document.querySelector<HTMLInputElement>("[name=lv]:checked")?.value ?? "all"
  const text = field?.value ?? ""
  let matches = (line: string) => line.toLowerCase().includes(text.toLowerCase())
  if (text.length > 2 && text.startsWith("/") && text.endsWith("/")) {
    try {
      const expression = new RegExp(text.slice(1, -1), "i")
      matches = (line) => expression.test(line)
      field?.removeAttribute("aria-invalid")
    } catch {
      field?.setAttribute("aria-invalid", "true")
    }
  }
  for (const line of lines) {
    const heavy = level === "all" || line.className === "error" || (level === "warn" && line.className === "warn")
    ;(line as HTMLElement).hidden = !heavy || !matches(line.textContent ?? "")
  }
}
