/** The positions grid: a head per group with its sums, a total at the bottom; figures change in place, rows stay. */
import { createGrid } from "../../vendor/ag-grid-community.js";
import { TINT_MS, gridTheme, pageNonce } from "../grid/theme.js";
import { ledgerAddress, positionColumns } from "./columns.js";
import { arrange } from "./row-model.js";

/** @typedef {import("./row-model.js").AnyRow} AnyRow */
/** @typedef {import("./row-model.js").GroupRow} GroupRow */

const FIRST_SORT = [{ colId: "cost", sort: "desc" }];

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {string} options.zone
 * @param {() => number} options.now
 * @param {() => {isLive: boolean, ageMs: number | null}} options.feed
 * @param {ReturnType<typeof import("../grid/column-memory.js").createColumnMemory>} options.memory
 * @param {(key: string) => void} options.onFold
 */
export function createPositionsGrid(root, options) {
  let isRestoring = true;
  let groupBy = "event";

  const api = createGrid(root, {
    theme: gridTheme,
    styleNonce: pageNonce(),
    columnDefs: /** @type {any[]} */ (positionColumns(options)),
    defaultColDef: { resizable: true, sortable: true, suppressHeaderMenuButton: true, suppressHeaderContextMenu: true },
    rowData: [],
    getRowId: (/** @type {{data: {key: string}}} */ { data }) => data.key,
    getRowClass: (/** @type {any} */ { data }) => (data?.isGroup ? "portfolio__group" : undefined),
    postSortRows: (/** @type {any} */ { nodes }) => arrange(nodes, groupBy),
    cellFlashDuration: TINT_MS,
    cellFadeDuration: 0,
    animateRows: false,
    suppressMultiSort: true,
    suppressDragLeaveHidesColumns: true,
    suppressNoRowsOverlay: true,
    tooltipShowDelay: 500,
    onRowDoubleClicked: (/** @type {any} */ { data, event }) => {
      if (data && !event.target.closest("a, button")) open(data, event.ctrlKey || event.metaKey);
    },
    onCellKeyDown: (/** @type {any} */ { data, event }) => {
      if (!data) return;
      if (event.key === "Enter") open(data, event.ctrlKey || event.metaKey);
      if (data.isGroup && event.key === " ") {
        event.preventDefault();
        options.onFold(data.key);
      }
    },
    onSortChanged: remember,
    onColumnMoved: (/** @type {any} */ event) => event.finished && remember(),
    onColumnResized: (/** @type {any} */ event) => event.finished && event.source !== "flex" && remember(),
    onColumnVisible: remember,
  });

  root.addEventListener("click", (event) => {
    const fold = /** @type {Element} */ (event.target).closest("[data-fold-group]");
    if (fold) options.onFold(fold.getAttribute("data-fold-group") ?? "");
  });

  /** @param {AnyRow} row @param {boolean} inNewTab */
  function open(row, inNewTab) {
    if (row.isGroup) return options.onFold(row.key);
    const address = ledgerAddress(row.ticker, row.subaccount);
    if (inNewTab) window.open(address, "_blank", "noopener");
    else location.assign(address);
  }

  function remember() {
    if (!isRestoring) options.memory.save(api.getColumnState());
  }

  /** @param {() => void} work changes columns without being remembered */
  function quietly(work) {
    isRestoring = true;
    work();
    // The grid tells of its changes a moment later.
    setTimeout(() => (isRestoring = false), 0);
  }

  const sortFirst = () =>
    api.applyColumnState({ state: /** @type {any} */ (FIRST_SORT), defaultState: { sort: null } });
  quietly(() => {
    const kept = options.memory.load();
    if (kept) api.applyColumnState({ state: /** @type {any} */ (kept), applyOrder: true });
    else sortFirst();
  });

  return {
    /**
     * Show exactly these rows; the page keeps its place.
     * @param {AnyRow[]} rows
     * @param {string} by
     * @param {GroupRow} total
     */
    show(rows, by, total) {
      groupBy = by;
      api.setGridOption("rowData", /** @type {any[]} */ (rows));
      this.total(total);
    },
    /** Change one row in place: it does not move, changed figures tint. @param {AnyRow} row */
    update(row) {
      api.getRowNode(row.key)?.updateData(/** @type {any} */ (row));
    },
    /** @param {GroupRow} total */
    total(total) {
      const pinned = api.getPinnedBottomRow(0);
      if (pinned) pinned.updateData(/** @type {any} */ (total));
      else api.setGridOption("pinnedBottomRowData", /** @type {any[]} */ ([total]));
    },
    isShown: (/** @type {string} */ colId) => api.getColumn(colId)?.isVisible() ?? false,
    setShown(/** @type {string} */ colId, /** @type {boolean} */ isShown) {
      api.setColumnsVisible([colId], isShown);
    },
    resetColumns() {
      options.memory.forget();
      quietly(() => {
        api.resetColumnState();
        sortFirst();
      });
    },
    focusFirst() {
      if (api.getDisplayedRowCount()) api.setFocusedCell(0, "name");
    },
  };
}
