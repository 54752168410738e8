/**
 * localStorage where the browser allows it. A private window that blocks third-party storage refuses it to an
 * app inside a frame, such as a preview; then memory stands in, and what is kept lasts as long as the page.
 */
function open(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  try {
    window.localStorage.getItem("theme"); // even looking throws where it is refused
    return window.localStorage;
  } catch {
    const kept = new Map<string, string>();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    };
  }
}

export const storage = open();
