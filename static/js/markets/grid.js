/** The blotter: AG Grid with rows from the server page by page, live values laid over them in place. */
import { createGrid } from "../../vendor/ag-grid-community.js";
import { NARROW_PX, TINT_MS, gridTheme } from "../grid/theme.js";
import { NARROW, marketColumns } from "./columns.js";
import { sortColumn, sortKey } from "./filters.js";

/** @typedef {import("./row-model.js").MarketRow} MarketRow */
/** @typedef {{rows: MarketRow[], total: number}} Page */

export const PAGE_ROWS = 100;

// Meaning comes from static/css/tokens.css, so that dark, light and the other palette follow by themselves.
const narrowTheme = gridTheme.withParams({ rowHeight: 40 });

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {string} options.nonce of the page's policy: the grid's own style elements carry it
 * @param {string} options.sort sort key of the address
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {string} options.zone
 * @param {() => number} options.now
 * @param {() => string} options.listName
 * @param {ReturnType<typeof import("../grid/column-memory.js").createColumnMemory>} options.memory
 * @param {(offset: number, limit: number) => Promise<Page>} options.load
 * @param {(row: MarketRow, inNewTab: boolean) => void} options.onOpen
 * @param {(row: MarketRow) => void} options.onStar
 * @param {(sort: string) => void} options.onSort
 * @param {(error: unknown) => void} options.onError
 */
export function createMarketsGrid(root, options) {
  let isNarrow = window.innerWidth < NARROW_PX;
  let isRestoring = true;
  const first = sortColumn(options.sort);
  const rowHeight = () => (isNarrow ? 40 : 26);

  const api = createGrid(root, {
    theme: isNarrow ? narrowTheme : gridTheme,
    rowHeight: rowHeight(),
    styleNonce: options.nonce,
    columnDefs: /** @type {any[]} */ (marketColumns(options)).map((one) =>
      one.colId === first.column ? { ...one, initialSort: first.direction } : one,
    ),
    defaultColDef: { resizable: true, suppressHeaderMenuButton: true, suppressHeaderContextMenu: true },
    rowModelType: "infinite",
    cacheBlockSize: PAGE_ROWS,
    infiniteInitialRowCount: PAGE_ROWS,
    blockLoadDebounceMillis: 40,
    getRowId: (/** @type {{data: MarketRow}} */ { data }) => data.ticker,
    datasource: source(),
    cellFlashDuration: TINT_MS,
    cellFadeDuration: 0,
    animateRows: false,
    suppressCellFocus: false,
    suppressMultiSort: true,
    suppressDragLeaveHidesColumns: true,
    suppressNoRowsOverlay: true,
    enableCellTextSelection: false,
    tooltipShowDelay: 600,
    onRowClicked: (/** @type {any} */ { data, event }) => {
      if (!data || event.target.closest("a, button")) return;
      options.onOpen(data, event.ctrlKey || event.metaKey);
    },
    onCellKeyDown: (/** @type {any} */ { data, event }) => {
      if (data && event.key === "Enter") options.onOpen(data, event.ctrlKey || event.metaKey);
    },
    onSortChanged: () => {
      if (isRestoring) return;
      const sorted = api.getColumnState().find((/** @type {any} */ one) => one.sort);
      options.onSort(sortKey(sorted?.colId, sorted?.sort));
    },
    onColumnMoved: (/** @type {any} */ event) => event.finished && remember(),
    onColumnResized: (/** @type {any} */ event) => event.finished && event.source !== "flex" && remember(),
    onColumnVisible: remember,
  });

  root.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-star]");
    const row = button && api.getRowNode(button.getAttribute("data-star") ?? "")?.data;
    if (row) options.onStar(row);
  });

  function source() {
    return {
      /** @param {any} params */
      async getRows({ startRow, endRow, successCallback, failCallback }) {
        try {
          const page = await options.load(startRow, endRow - startRow);
          successCallback(page.rows, page.total);
        } catch (error) {
          failCallback();
          options.onError(error);
        }
      },
    };
  }

  function remember() {
    if (!isRestoring && !isNarrow) options.memory.save(api.getColumnState());
  }

  /** @param {() => void} work changes columns without being remembered */
  function quietly(work) {
    isRestoring = true;
    work();
    // The grid tells of its changes a moment later.
    setTimeout(() => (isRestoring = false), 0);
  }

  /** @param {string} sort */
  function applySort(sort) {
    const { column, direction } = sortColumn(sort);
    api.applyColumnState({ state: [{ colId: column, sort: direction }], defaultState: { sort: null } });
  }

  /** Widths, order and visibility as they were at first; the order of rows stays as chosen. */
  function resetColumns() {
    const sorted = api.getColumnState().filter((/** @type {any} */ one) => one.sort);
    api.resetColumnState();
    api.applyColumnState({ state: sorted.map(({ colId, sort }) => ({ colId, sort })), defaultState: { sort: null } });
  }

  function arrange() {
    const kept = options.memory.load();
    // On a phone a row is as high as a finger, and the event stands under the outcome.
    api.setGridOption("theme", isNarrow ? narrowTheme : gridTheme);
    api.setGridOption("rowHeight", rowHeight());
    root.classList.toggle("is-narrow", isNarrow);
    if (isNarrow) {
      for (const { colId } of api.getColumnState()) api.setColumnsVisible([colId], NARROW.has(colId));
    } else if (kept) api.applyColumnState({ state: /** @type {any} */ (kept), applyOrder: true });
  }

  quietly(arrange);

  window.addEventListener("resize", () => {
    const was = isNarrow;
    isNarrow = window.innerWidth < NARROW_PX;
    if (was === isNarrow) return;
    quietly(() => {
      if (!isNarrow) resetColumns();
      arrange();
    });
  });

  return {
    /** Ask for everything anew, from the top; what is shown stays until it comes. */
    reload: () => {
      if (!api.getDisplayedRowCount()) return api.purgeInfiniteCache();
      api.ensureIndexVisible(0, "top");
      api.refreshInfiniteCache();
    },
    /** @param {string} sort */
    setSort(sort) {
      quietly(() => applySort(sort));
    },
    /**
     * Change rows in place: no row moves, changed figures tint.
     * @param {Iterable<string>} tickers
     * @param {(row: MarketRow) => MarketRow} change returns the same object when nothing is new
     */
    update(tickers, change) {
      for (const ticker of tickers) {
        const node = api.getRowNode(ticker);
        if (!node?.data) continue;
        const next = change(node.data);
        if (next !== node.data) node.updateData(next);
      }
    },
    /** Countdowns go on while nothing else changes. */
    tick: () => api.refreshCells({ columns: ["close_ms"], force: true, suppressFlash: true }),
    isShown: (/** @type {string} */ colId) => api.getColumn(colId)?.isVisible() ?? false,
    setShown(/** @type {string} */ colId, /** @type {boolean} */ isShown) {
      api.setColumnsVisible([colId], isShown);
    },
    resetColumns() {
      options.memory.forget();
      quietly(resetColumns);
    },
    focusedRow() {
      const cell = api.getFocusedCell();
      return /** @type {MarketRow | undefined} */ (cell && api.getDisplayedRowAtIndex(cell.rowIndex)?.data);
    },
    focusFirst() {
      if (api.getDisplayedRowCount()) api.setFocusedCell(0, "market");
    },
    firstShown: () => Math.max(0, api.getFirstDisplayedRowIndex()),
    /** @param {number} index */
    scrollTo: (index) => api.ensureIndexVisible(index, "top"),
  };
}
