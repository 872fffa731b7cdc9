/** Whether somebody points at, scrolls or types in a list: then no row comes, goes or moves under their hand. */

const TOUCH_MS = 1_500;

/** @param {HTMLElement} list */
export function watchHands(list) {
  let touchedAt = -TOUCH_MS;
  const touch = () => (touchedAt = performance.now());
  for (const kind of ["pointermove", "pointerdown", "wheel", "keydown"])
    list.addEventListener(kind, touch, { passive: true });
  list.addEventListener("pointerleave", () => (touchedAt = -TOUCH_MS));
  return { areOn: () => performance.now() - touchedAt < TOUCH_MS };
}
