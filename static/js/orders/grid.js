/** The blotter's grid: rows are given to it whole; a changed row changes in place and never moves by itself. */
import { createGrid } from "../../vendor/ag-grid-community.js";
import { formatCount } from "../core/fixed.js";
import { element } from "../frame/dom.js";
import { TINT_MS, gridTheme, pageNonce } from "../grid/theme.js";
import { orderColumns } from "./columns.js";
import { arrangeGroups, groupRows } from "./row-model.js";
import { plural } from "./scope.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */

const GROUP_ROW_PX = 28;
const ROW_PX = 26;
const FIRST_SORT = [{ colId: "created", sort: "desc" }];

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {string} options.zone
 * @param {() => number} options.now
 * @param {boolean} options.canCancel
 * @param {(ticker: string) => string} options.titleOf
 * @param {ReturnType<typeof import("../grid/column-memory.js").createColumnMemory>} options.memory
 * @param {(row: BlotterRow, inNewTab: boolean) => void} options.onOpen
 * @param {(row: BlotterRow) => void} options.onCancel
 * @param {(key: string) => void} options.onChange
 * @param {() => void} options.onSelection
 * @param {() => void} options.onEnd the last row came into sight
 */
export function createOrdersGrid(root, options) {
  let isRestoring = true;
  let groupBy = "";

  const api = createGrid(root, {
    theme: gridTheme,
    styleNonce: pageNonce(),
    columnDefs: /** @type {any[]} */ (orderColumns(options)),
    defaultColDef: { resizable: true, sortable: true, suppressHeaderMenuButton: true, suppressHeaderContextMenu: true },
    rowData: [],
    getRowId: (/** @type {{data: {key: string}}} */ { data }) => data.key,
    rowSelection: options.canCancel
      ? {
          mode: "multiRow",
          enableClickSelection: false,
          hideDisabledCheckboxes: true,
          isRowSelectable: (/** @type {any} */ { data }) => Boolean(data?.canCancel),
        }
      : undefined,
    selectionColumnDef: { width: 36, pinned: "left", suppressMovable: true },
    isFullWidthRow: (/** @type {any} */ { rowNode }) => Boolean(rowNode.data?.isGroup),
    fullWidthCellRenderer: groupHead,
    getRowHeight: (/** @type {any} */ { data }) => (data?.isGroup ? GROUP_ROW_PX : ROW_PX),
    getRowClass: (/** @type {any} */ { data }) => (data?.isGroup ? "orders__group" : undefined),
    postSortRows: (/** @type {any} */ { nodes }) => arrangeGroups(nodes, groupBy),
    cellFlashDuration: TINT_MS,
    cellFadeDuration: 0,
    animateRows: false,
    suppressMultiSort: true,
    suppressDragLeaveHidesColumns: true,
    suppressNoRowsOverlay: true,
    tooltipShowDelay: 600,
    onRowDoubleClicked: (/** @type {any} */ { data, event }) => {
      if (data && !data.isGroup && !event.target.closest("a, button, input"))
        options.onOpen(data, event.ctrlKey || event.metaKey);
    },
    onCellKeyDown: (/** @type {any} */ { data, event }) => {
      if (!data || data.isGroup) return;
      if (event.key === "Enter") options.onOpen(data, event.ctrlKey || event.metaKey);
      if (event.key === "Delete" && data.canCancel) options.onCancel(data);
    },
    onSelectionChanged: options.onSelection,
    onBodyScrollEnd: () => {
      const last = api.getLastDisplayedRowIndex();
      if (last >= 0 && last >= api.getDisplayedRowCount() - 1) options.onEnd();
    },
    onSortChanged: remember,
    onColumnMoved: (/** @type {any} */ event) => event.finished && remember(),
    onColumnResized: (/** @type {any} */ event) => event.finished && event.source !== "flex" && remember(),
    onColumnVisible: remember,
  });

  root.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-cancel]");
    /** @type {any} */
    const row = button && api.getRowNode(button.getAttribute("data-cancel") ?? "")?.data;
    if (row?.canCancel) options.onCancel(row);
    const change = /** @type {Element} */ (event.target).closest("[data-change-row]");
    if (change) options.onChange(change.getAttribute("data-change-row") ?? "");
  });

  /** @param {any} params */
  function groupHead({ data }) {
    const words = [plural(data.orders, "order")];
    if (groupBy !== "market") words.push(plural(data.markets, "market"));
    if (data.remaining) words.push(`${formatCount(data.remaining)} left`);
    return element("div", { class: "orders__group-head" }, [
      element("strong", { text: data.name }),
      element("span", { class: "muted", text: words.join(" · ") }),
    ]);
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

  quietly(() => {
    const kept = options.memory.load();
    if (kept) api.applyColumnState({ state: /** @type {any} */ (kept), applyOrder: true });
    else api.applyColumnState({ state: /** @type {any} */ (FIRST_SORT), defaultState: { sort: null } });
  });

  return {
    /**
     * Show exactly these rows; those that stay keep their selection and the page its place.
     * @param {BlotterRow[]} rows
     * @param {string} by group by
     */
    show(rows, by) {
      groupBy = by;
      api.setGridOption("rowData", /** @type {any[]} */ ([...rows, ...groupRows(rows, by)]));
    },
    /** Change one row in place: it does not move, changed figures tint. @param {BlotterRow} row */
    update(row) {
      const node = api.getRowNode(row.key);
      if (!node) return false;
      node.updateData(row);
      if (node.isSelected() && !row.canCancel) node.setSelected(false);
      return true;
    },
    /** @returns {BlotterRow[]} chosen rows that can still be cancelled */
    selected: () => /** @type {any[]} */ (api.getSelectedRows()).filter((row) => row.canCancel),
    clearSelection: () => api.deselectAll(),
    /** Ages go on while nothing else changes. */
    tick: () => api.refreshCells({ columns: ["age"], force: true, suppressFlash: true }),
    isShown: (/** @type {string} */ colId) => api.getColumn(colId)?.isVisible() ?? false,
    setShown(/** @type {string} */ colId, /** @type {boolean} */ isShown) {
      api.setColumnsVisible([colId], isShown);
    },
    resetColumns() {
      options.memory.forget();
      quietly(() => {
        api.resetColumnState();
        api.applyColumnState({ state: /** @type {any} */ (FIRST_SORT), defaultState: { sort: null } });
      });
    },
    focusFirst() {
      if (api.getDisplayedRowCount()) api.setFocusedCell(0, "created");
    },
    backToTop: () => api.getDisplayedRowCount() && api.ensureIndexVisible(0, "top"),
  };
}
