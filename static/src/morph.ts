// Changes an element into a newer rendering of itself while keeping what the person did to it: what they
// opened, what was loaded into it, where they scrolled and where the focus is.
import htmx from "./htmx"

/** same says that a newer node is the successor of an older one */
function same(old: Node, next: Node): boolean {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) return false
  if (!(old instanceof Element) || !(next instanceof Element)) return true
  return old.id === next.id && old.getAttribute("data-key") === next.getAttribute("data-key")
}

function attributes(old: Element, next: Element) {
  for (const { name } of [...old.attributes]) {
    const kept = name === "open" || name.startsWith("data-hx") // what a person opened stays open
    if (!kept && !next.hasAttribute(name)) old.removeAttribute(name)
  }
  for (const { name, value } of next.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value)
}

/** morph makes old look like next; old stays the same object in the page */
export function morph(old: Element, next: Element) {
  attributes(old, next)
  if (old.tagName === "TIME" && next.hasAttribute("data-since") && !next.textContent?.trim()) return // the clock writes it
  // What was loaded on demand is not thrown away for the link that loads it.
  if (next.hasAttribute("data-lazy") && old.parentElement instanceof HTMLDetailsElement && old.parentElement.open) return
  let at: ChildNode | null = old.firstChild
  for (const child of [...next.childNodes]) {
    let match: ChildNode | null = at
    while (match && !same(match, child)) match = match.nextSibling
    if (!match) {
      const added = old.insertBefore(child, at)
      if (added instanceof Element) htmx.process(added)
      continue
    }
    while (at && at !== match) {
      const gone: ChildNode = at
      at = at.nextSibling
      gone.remove()
    }
    at = match.nextSibling
    if (match instanceof Element) morph(match, child as Element)
    else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue
  }
  while (at) {
    const gone: ChildNode = at
    at = at.nextSibling
    gone.remove()
  }
}
