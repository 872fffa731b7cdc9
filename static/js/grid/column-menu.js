/** The menu that shows and hides a grid's columns: checkboxes `data-column`, a button `data-columns-reset`. */

/**
 * @param {HTMLElement} menu
 * @param {object} grid
 * @param {(colId: string) => boolean} grid.isShown
 * @param {(colId: string, isShown: boolean) => void} grid.setShown
 * @param {() => void} grid.resetColumns
 */
export function wireColumnMenu(menu, grid) {
  menu.hidden = false;
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (menu.querySelectorAll("[data-column]"));
  const sync = () => boxes.forEach((box) => (box.checked = grid.isShown(box.dataset["column"] ?? "")));
  menu.addEventListener("toggle", sync);
  menu.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    grid.setShown(box.dataset["column"] ?? "", box.checked);
  });
  menu.querySelector("[data-columns-reset]")?.addEventListener("click", () => {
    grid.resetColumns();
    sync();
  });
}
