/** Columns of the blotter: what each shows, how wide, which changes tint. Rows are `BlotterRow`s of row-model.js. */
import { formatAge } from "../core/age.js";
import { formatCount, formatMoney, formatPrice } from "../core/fixed.js";
import { element } from "../frame/dom.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */
/** @typedef {{data?: BlotterRow}} Cell */

const HIDDEN_AT_FIRST = new Set(["age", "queue", "subaccount", "order_group", "order_id"]);
const DAY_MS = 86_400_000;

/** One decimal of a cent for all, so that the points stand under each other; two where a price needs them. @param {number} units */
const stepOf = (units) => (units % 10 ? 1 : 10);

/** @param {string} key */
export const orderAddress = (key) => `/orders/${encodeURIComponent(key).replaceAll("%3A", ":")}/`;
/** @param {string} ticker */
export const marketAddress = (ticker) => `/markets/${encodeURIComponent(ticker)}/`;

/**
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {string} options.zone
 * @param {() => number} options.now Unix ms by the server's clock
 * @param {boolean} options.canCancel
 * @param {(ticker: string) => string} options.titleOf
 */
export function orderColumns({ format, zone, now, canCancel, titleOf }) {
  const time = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  const exact = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "long" });
  const isToday = (/** @type {number} */ ms) => now() - ms < DAY_MS && day.format(ms) === day.format(now());
  const moment = (/** @type {number | null} */ ms) =>
    ms === null ? "-" : isToday(ms) ? time.format(ms) : `${day.format(ms)} ${time.format(ms)}`;
  const price = (/** @type {number | null} */ units, step = 0) =>
    units === null ? "-" : formatPrice(units, { format, step: step || stepOf(units), unit: false });
  const count = (/** @type {number | null} */ units) => (units === null ? "?" : formatCount(units));

  /**
   * @param {string} colId
   * @param {string} headerName
   * @param {number} width
   * @param {(row: BlotterRow) => number | null} read
   * @param {(value: number | null) => string} write
   * @param {Record<string, any>} [more]
   */
  const figure = (colId, headerName, width, read, write, more = {}) => ({
    colId,
    headerName,
    width,
    minWidth: 46,
    headerClass: "ag-right-aligned-header",
    cellClass: "ag-right-aligned-cell",
    sortingOrder: ["desc", "asc", null],
    valueGetter: (/** @type {Cell} */ { data }) => (data ? read(data) : null),
    valueFormatter: (/** @type {{value: number | null, data?: BlotterRow}} */ { value, data }) =>
      data ? write(value ?? null) : "",
    ...more,
  });
  /**
   * @param {string} colId
   * @param {string} headerName
   * @param {number} width
   * @param {(row: BlotterRow) => string} read
   * @param {Record<string, any>} [more]
   */
  const text = (colId, headerName, width, read, more = {}) => ({
    colId,
    headerName,
    width,
    minWidth: 50,
    valueGetter: (/** @type {Cell} */ { data }) => (data ? read(data) : ""),
    tooltipValueGetter: (/** @type {Cell} */ { data }) => (data ? read(data) : ""),
    ...more,
  });
  const tinted = { enableCellChangeFlash: true };
  const badge = (/** @type {string} */ tone, /** @type {string} */ words) =>
    element("span", { class: `badge badge--${tone}`, text: words });
  const link = (/** @type {string} */ href, /** @type {string} */ words, /** @type {string} */ title) =>
    element("a", { class: "orders__link", text: words, attributes: { href, title, tabindex: "-1" } });

  const columns = [
    figure(
      "created",
      "Time",
      84,
      (row) => row.createdMs,
      (ms) => moment(ms),
      {
        headerClass: "",
        cellClass: "orders__when",
        cellRenderer: (/** @type {Cell} */ { data }) =>
          data
            ? link(orderAddress(data.key), moment(data.createdMs), data.createdMs ? exact.format(data.createdMs) : "")
            : "",
      },
    ),
    text("market", "Market", 200, (row) => row.ticker, {
      flex: 3,
      minWidth: 176,
      tooltipValueGetter: (/** @type {Cell} */ { data }) => (data ? titleOf(data.ticker) || data.ticker : ""),
      cellRenderer: (/** @type {Cell} */ { data }) =>
        data ? link(marketAddress(data.ticker), data.ticker, titleOf(data.ticker)) : "",
    }),
    text("side", "Side", 84, (row) => row.side, {
      cellRenderer: (/** @type {Cell} */ { data }) => (data ? badge(data.isBid ? "buy" : "sell", data.side) : ""),
    }),
    figure("price", "Price", 66, (row) => row.price, price, tinted),
    figure("count", "Contracts", 86, (row) => row.count, count, tinted),
    figure("filled", "Filled", 66, (row) => row.filled, count, tinted),
    figure("remaining", "Left", 58, (row) => row.remaining, count, tinted),
    figure(
      "average",
      "Average",
      74,
      (row) => row.average,
      (units) => price(units, 1),
    ),
    figure(
      "fees",
      "Fee",
      58,
      (row) => row.fees,
      (units) => (units === null ? "-" : formatMoney(units)),
    ),
    figure(
      "queue",
      "Ahead",
      62,
      (row) => row.queue,
      (units) => (units === null ? "-" : formatCount(units)),
      { headerTooltip: "Contracts before it at its price, as last read" },
    ),
    text("terms", "Terms", 90, (row) => row.terms),
    text("state", "State", 112, (row) => row.stateText, {
      cellRenderer: (/** @type {Cell} */ { data }) => (data ? badge(data.tone, data.stateText) : ""),
    }),
    text("reason", "Reason", 130, (row) => row.reason, {
      flex: 2,
      minWidth: 120,
      valueFormatter: (/** @type {{value: string}} */ { value }) => value.replace(/^Not sent: /, ""), // its state says so
    }),
    text("person", "Placed by", 88, (row) => row.person),
    figure(
      "subaccount",
      "Sub",
      50,
      (row) => row.subaccount,
      (value) => String(value ?? ""),
    ),
    text("order_group", "Order group", 110, (row) => row.orderGroup),
    figure(
      "age",
      "Age",
      54,
      (row) => (row.isWorking || row.tab === "unknown" ? row.createdMs : null),
      (ms) => (ms === null ? "" : formatAge(now() - ms).replace(/^\d+ ms$|^\d\.\d s$/, "now")),
      { headerTooltip: "Of what is still working" },
    ),
    text("order_id", "Exchange id", 130, (row) => row.orderId),
  ];
  if (canCancel) columns.push(actionColumn());
  return columns.map((column) => ({ ...column, hide: HIDDEN_AT_FIRST.has(column.colId) }));
}

function actionColumn() {
  return /** @type {any} */ ({
    colId: "action",
    headerName: "Change or cancel",
    headerClass: "orders__action-head",
    width: 122,
    minWidth: 122,
    maxWidth: 122,
    pinned: "right",
    sortable: false,
    resizable: false,
    suppressMovable: true,
    cellClass: "orders__action",
    // The grid's own rules stand above those of the page.
    cellStyle: { paddingInline: "4px", textOverflow: "clip" },
    // What decides the button; a row whose value stays the same keeps it, and with it the pointer's target.
    valueGetter: (/** @type {Cell} */ { data }) =>
      [data?.canChange && "change", data?.canCancel && "cancel", data?.isCancelling && "on its way"]
        .filter(Boolean)
        .join(" "),
    cellRenderer: (/** @type {Cell & {value: string}} */ { data, value }) => {
      if (!data || !value) return "";
      const of = `${data.side} in ${data.ticker}`;
      const nodes = [];
      if (data.canChange) nodes.push(rowButton("Change", `Change ${of}`, "data-change-row", data.key));
      if (data.canCancel) nodes.push(rowButton("Cancel", `Cancel ${of}`, "data-cancel", data.key));
      return element("span", { class: "orders__actions" }, nodes.length ? nodes : ["…"]);
    },
  });
}

/** @param {string} text @param {string} label @param {string} name @param {string} key */
function rowButton(text, label, name, key) {
  const attributes = { type: "button", tabindex: "-1", "aria-label": label, [name]: key };
  return element("button", { class: "button button--quiet button--small", text, attributes });
}
