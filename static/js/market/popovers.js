/** Puts a popover next to the button that opens it, inside the window. */

const GAP = 4;

/** @param {HTMLElement} root */
export function placePopovers(root) {
  for (const opener of root.querySelectorAll("[popovertarget]")) {
    const popover = document.getElementById(opener.getAttribute("popovertarget") ?? "");
    popover?.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
      const from = opener.getBoundingClientRect();
      const { width, height } = popover.getBoundingClientRect();
      const below = from.bottom + GAP;
      const top = below + height <= innerHeight ? below : Math.max(GAP, from.top - GAP - height);
      popover.style.top = `${top}px`;
      popover.style.left = `${Math.max(GAP, Math.min(from.right - width, innerWidth - width - GAP))}px`;
    });
  }
}
