/** Columns of the table of found records: shown and hidden, as the person likes each kind of record. */

/**
 * A table as the column menu sees a grid. Only what differs from the first look is kept, so that a choice for one
 * kind of record leaves the others as they are; apps/history/pages/search.py reads it for the next page.
 *
 * @param {HTMLTableElement} table heads have `data-column`, and `data-shown-first` where nobody chose otherwise
 * @param {ReturnType<typeof import("../grid/column-memory.js").createColumnMemory>} memory
 */
export function createTableColumns(table, memory) {
  const heads = [.../** @type {NodeListOf<HTMLElement>} */ (table.querySelectorAll("thead [data-column]"))];
  const placeOf = (/** @type {string} */ colId) => heads.findIndex((head) => head.dataset["column"] === colId);

  /** @param {string} colId @param {boolean} isShown */
  function show(colId, isShown) {
    const place = placeOf(colId);
    for (const row of table.rows) {
      const cell = row.cells[place];
      if (cell) cell.hidden = !isShown;
    }
  }

  function save() {
    const ours = new Set(heads.map((head) => head.dataset["column"]));
    const others = (memory.load() ?? []).filter((one) => !ours.has(one["colId"]));
    const chosen = heads
      .filter((head) => head.hidden === "shownFirst" in head.dataset)
      .map((head) => ({ colId: head.dataset["column"], hide: head.hidden }));
    if (others.length + chosen.length) memory.save([...others, ...chosen]);
    else memory.forget();
  }

  return {
    isShown: (/** @type {string} */ colId) => heads[placeOf(colId)]?.hidden === false,
    /** @param {string} colId @param {boolean} isShown */
    setShown(colId, isShown) {
      show(colId, isShown);
      save();
    },
    resetColumns() {
      for (const head of heads) show(head.dataset["column"] ?? "", "shownFirst" in head.dataset);
      save();
    },
  };
}
