/** Tints changed cells for 400 ms: two paints each, where a fade would paint every frame. */

const TINT_MS = 400;
const SLACK_MS = 50;

export function createTint() {
  /** When the tint of a cell ends, in the order in which they changed. @type {Map<HTMLElement, number>} */
  const tinted = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** The first that is not due ends the round. */
  function fade() {
    timer = undefined;
    for (const [cell, until] of tinted) {
      const left = until - performance.now();
      if (left > SLACK_MS) {
        timer = setTimeout(fade, left);
        return;
      }
      cell.classList.remove("is-changed");
      tinted.delete(cell);
    }
  }

  return (/** @type {HTMLElement} */ cell) => {
    if (!tinted.delete(cell)) cell.classList.add("is-changed");
    tinted.set(cell, performance.now() + TINT_MS);
    timer ??= setTimeout(fade, TINT_MS);
  };
}
