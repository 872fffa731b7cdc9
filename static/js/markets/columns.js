/** Columns of the blotter: what each shows, how wide, which changes tint. Rows are `MarketRow`s of row-model.js. */
import { formatCountdown } from "../core/clock.js";
import { formatCount, formatMoney, formatPrice } from "../core/fixed.js";
import { element, iconNode } from "../frame/dom.js";
import { SORTABLE } from "./filters.js";
import { changeOf, spreadOf, statusWords } from "./row-model.js";

/** @typedef {import("./row-model.js").MarketRow} MarketRow */

const DAY_MS = 86_400_000;
/** On a phone: what is needed to watch. */
export const NARROW = new Set(["star", "market", "bid", "ask", "change"]);
const HIDDEN_AT_FIRST = new Set(["volume", "reward", "category"]);

/**
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {() => number} options.now Unix ms by the server's clock
 * @param {string} options.zone
 * @param {() => string} options.listName the list that a star changes
 */
export function marketColumns({ format, now, zone, listName }) {
  const moment = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "medium" });
  /** One decimal of a cent for all, so that the points stand under each other; two where a tick needs them. */
  const price = (/** @type {number | null} */ units, /** @type {MarketRow | undefined} */ row) =>
    units === null ? "-" : formatPrice(units, { format, step: Math.min(10, row?.step ?? 10), unit: false });
  const count = (/** @type {number | null} */ units) => (units === null ? "-" : formatCount(units));

  /**
   * @param {string} colId
   * @param {string} headerName
   * @param {number} width
   * @param {(row: MarketRow) => number | null} read
   * @param {(value: number | null, row: MarketRow | undefined) => string} write
   * @param {Record<string, any>} [more] of the column; `css`: a class of its cells
   */
  const figure = (colId, headerName, width, read, write, { css = "", ...more } = {}) => ({
    colId,
    headerName,
    width,
    minWidth: 52,
    headerClass: "ag-right-aligned-header",
    cellClass: ["ag-right-aligned-cell", css].filter(Boolean),
    valueGetter: (/** @type {{data?: MarketRow}} */ { data }) => (data ? read(data) : null),
    valueFormatter: (/** @type {{value: number | null, data?: MarketRow}} */ { value, data }) =>
      data ? write(value ?? null, data) : "",
    ...more,
  });
  const tinted = { enableCellChangeFlash: true };
  const signed = {
    cellClassRules: {
      "is-bid": (/** @type {{value: number | null}} */ { value }) => (value ?? 0) > 0,
      "is-ask": (/** @type {{value: number | null}} */ { value }) => (value ?? 0) < 0,
    },
  };
  const plus = (/** @type {number | null} */ value, /** @type {string} */ text) =>
    value !== null && value > 0 ? `+${text}` : text;

  const columns = [
    starColumn(listName),
    marketColumn(),
    figure("bid_size", "Bid size", 72, (row) => (row.bid === null ? null : row.bidSize), count, { css: "is-size" }),
    figure("bid", "Bid", 62, (row) => row.bid, price, { css: "is-bid", ...tinted }),
    figure("ask", "Ask", 62, (row) => row.ask, price, { css: "is-ask", ...tinted }),
    figure("ask_size", "Ask size", 72, (row) => (row.ask === null ? null : row.askSize), count, { css: "is-size" }),
    figure("spread", "Spread", 62, spreadOf, price),
    figure("last", "Last", 62, (row) => row.last, price, tinted),
    figure("change", "Change", 66, changeOf, (value, row) => plus(value, price(value, row)), {
      ...signed,
      headerTooltip: "Last price less yesterday's",
    }),
    figure(
      "volume_24h",
      "Vol 24 h",
      92,
      (row) => row.volume24h,
      (value) => count(value === null ? null : whole(value)),
    ),
    figure(
      "volume",
      "Volume",
      92,
      (row) => row.volume,
      (value) => count(value === null ? null : whole(value)),
    ),
    figure(
      "open_interest",
      "Open int.",
      78,
      (row) => row.openInterest,
      (value) => count(value === null ? null : whole(value)),
    ),
    figure(
      "position",
      "My pos.",
      72,
      (row) => row.position,
      (value) => (value === null ? "-" : plus(value, formatCount(value))),
      {
        ...signed,
        headerTooltip: "Contracts of the selected subaccount: + YES, - NO",
      },
    ),
    figure(
      "reward",
      "Reward",
      84,
      (row) => row.reward,
      (value) => (value === null ? "-" : formatMoney(value)),
      {
        headerTooltip:
          "What the exchange's programs pay for activity here, over their whole period, to all who take part",
      },
    ),
    figure(
      "close_ms",
      "Closes",
      96,
      (row) => row.closeMs,
      (value) => closesWords(value, now()),
      {
        cellClassRules: {
          "is-soon": (/** @type {{value: number | null}} */ { value }) =>
            value !== null && value > now() && value - now() < 3_600_000,
        },
        tooltipValueGetter: (/** @type {{value: number | null}} */ { value }) =>
          value ? `${moment.format(value)} ${zone}` : "",
      },
    ),
    {
      colId: "status",
      headerName: "Status",
      width: 84,
      valueGetter: (/** @type {{data?: MarketRow}} */ { data }) => (data ? statusWords(data.status) : ""),
      cellClassRules: { "is-closed": (/** @type {{data?: MarketRow}} */ { data }) => data?.status !== "active" },
    },
    {
      colId: "category",
      headerName: "Category",
      width: 110,
      valueGetter: (/** @type {{data?: MarketRow}} */ { data }) => data?.category ?? "",
    },
  ];
  return columns.map((column) => ({ ...column, hide: HIDDEN_AT_FIRST.has(column.colId), ...sorting(column.colId) }));
}

/** Fractions of contracts matter in a size, not in a day's volume. @param {number} units */
function whole(units) {
  return Math.round(units / 100) * 100;
}

/** "19 d 04:12", "00:42:10", then "closed". @param {number | null} closeMs @param {number} nowMs */
export function closesWords(closeMs, nowMs) {
  if (closeMs === null) return "-";
  const left = closeMs - nowMs;
  if (left <= 0) return "closed";
  return left > 99 * DAY_MS ? `${Math.floor(left / DAY_MS)} d` : formatCountdown(left);
}

/** @param {string} colId */
function sorting(colId) {
  const found = SORTABLE.get(colId);
  if (!found) return { sortable: false };
  // The server sorts; the plain direction first, then the other way, then back to the list's own order.
  return { sortable: true, sortingOrder: found.isDown ? ["desc", "asc", null] : ["asc", "desc", null] };
}

/** @param {() => string} listName */
function starColumn(listName) {
  return {
    colId: "star",
    headerName: "Star",
    headerClass: "markets__star-head",
    width: 34,
    minWidth: 34,
    maxWidth: 34,
    resizable: false,
    suppressMovable: true,
    cellClass: "markets__star-cell",
    valueGetter: (/** @type {{data?: MarketRow}} */ { data }) => data?.starred ?? null,
    cellRenderer: (/** @type {{data?: MarketRow}} */ { data }) => {
      if (!data) return "";
      const words = data.starred ? `Take ${data.ticker} off ${listName()}` : `Put ${data.ticker} on ${listName()}`;
      const button = element("button", {
        class: "star",
        attributes: {
          type: "button",
          "data-star": data.ticker,
          "aria-pressed": String(data.starred),
          "aria-label": words,
          title: words,
          tabindex: "-1",
        },
      });
      button.append(iconNode("star"));
      return button;
    },
  };
}

function marketColumn() {
  return {
    colId: "market",
    headerName: "Market",
    flex: 1,
    minWidth: 110,
    suppressMovable: true,
    valueGetter: (/** @type {{data?: MarketRow}} */ { data }) => data?.ticker ?? "",
    tooltipValueGetter: (/** @type {{data?: MarketRow}} */ { data }) =>
      data ? `${data.title} · ${data.event} · ${data.ticker}` : "",
    cellRenderer: (/** @type {{data?: MarketRow}} */ { data }) => {
      // While a page of rows is on its way: a quiet bar, and nothing that could be taken for a value.
      if (!data) return element("span", { class: "markets__loading", text: "loading" });
      return element("span", { class: "markets__name" }, [
        element("a", { class: "markets__link", text: data.title, attributes: { href: data.url, tabindex: "-1" } }),
        element("a", {
          class: "markets__event",
          text: data.event,
          attributes: { href: data.eventUrl, tabindex: "-1", title: `All outcomes of: ${data.event}` },
        }),
      ]);
    },
  };
}
