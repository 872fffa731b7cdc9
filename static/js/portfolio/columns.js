/** Columns of the positions grid: what each shows, how wide, which changes tint. Rows are of row-model.js. */
import { formatAge } from "../core/age.js";
import { formatCount, formatMoney, formatPrice } from "../core/fixed.js";
import { element } from "../frame/dom.js";

/** @typedef {import("./row-model.js").AnyRow} AnyRow */
/** @typedef {{data?: AnyRow}} Cell */

const HIDDEN_AT_FIRST = new Set(["value", "subaccount"]);
const DAY_MS = 86_400_000;

/** @param {string} ticker @param {number} subaccount */
export const ledgerAddress = (ticker, subaccount) =>
  `/portfolio/market/${encodeURIComponent(ticker)}/?sub=${subaccount}`;

/** One decimal of a cent for all, two where a price needs them. @param {number} units */
const stepOf = (units) => (units % 10 ? 1 : 10);

/**
 * @param {{zone: string, now: () => number}} options
 */
export function whenWords({ zone, now }) {
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  return (/** @type {number | null} */ ms) =>
    ms === null ? "-" : Math.abs(ms - now()) < DAY_MS ? `${day.format(ms)} ${time.format(ms)}` : day.format(ms);
}

/**
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {string} options.zone
 * @param {() => number} options.now Unix ms by the server's clock
 * @param {() => {isLive: boolean, ageMs: number | null}} options.feed
 */
export function positionColumns({ format, zone, now, feed }) {
  const price = (/** @type {number | null} */ units) =>
    units === null ? "-" : formatPrice(units, { format, step: stepOf(units), unit: false });
  const money = (/** @type {number | null} */ units) => (units === null ? "-" : formatMoney(units));
  const signed = (/** @type {number | null} */ units) => (units === null ? "-" : formatMoney(units, { signed: true }));
  const when = whenWords({ zone, now });

  /**
   * @param {string} colId
   * @param {string} headerName
   * @param {number} width
   * @param {(row: AnyRow) => number | null} read
   * @param {(value: number | null) => string} write
   * @param {Record<string, any>} [more]
   */
  const figure = (colId, headerName, width, read, write, more = {}) => ({
    colId,
    headerName,
    width,
    minWidth: 54,
    headerClass: "ag-right-aligned-header",
    cellClass: "ag-right-aligned-cell",
    sortingOrder: ["desc", "asc", null],
    valueGetter: (/** @type {Cell} */ { data }) => (data ? read(data) : null),
    valueFormatter: (/** @type {{value: number | null, data?: AnyRow}} */ { value, data }) =>
      data ? write(value ?? null) : "",
    ...more,
  });
  const tinted = { enableCellChangeFlash: true };
  const toned = {
    ...tinted,
    cellClassRules: {
      gain: (/** @type {{value: number | null}} */ { value }) => (value ?? 0) > 0,
      loss: (/** @type {{value: number | null}} */ { value }) => (value ?? 0) < 0,
    },
  };
  const own = (/** @type {AnyRow} */ row, /** @type {(row: import("./row-model.js").PositionRow) => any} */ read) =>
    row.isGroup ? null : read(row);

  /** @param {AnyRow} row */
  const markTip = (row) => {
    if (row.isGroup) return row.unmarked ? `${row.unmarked} of its positions have no mark` : "";
    const { mark } = row;
    if (mark.kind === "none") return `No mark: ${mark.from}.`;
    const { isLive, ageMs } = feed();
    const changed = mark.atMs === null ? "" : ` Last changed ${formatAge(now() - mark.atMs)} ago.`;
    const fresh =
      mark.kind === "result"
        ? ""
        : isLive
          ? " The feed is live."
          : ` Stale: no feed for ${ageMs === null ? "some time" : formatAge(ageMs)}.`;
    return `Valued at ${mark.from}.${changed}${fresh}`;
  };
  const exchangeTip = (/** @type {string} */ what) => ({
    tooltipValueGetter: (/** @type {Cell} */ { data }) =>
      !data || data.isGroup
        ? ""
        : `${what}, as the exchange reported it (${data.source === "ws" ? "live message" : "listing"}, ${formatAge(now() - data.seenMs)} ago). The market's ledger shows each fill.`,
  });

  const columns = [
    {
      colId: "name",
      headerName: "Event and market",
      pinned: "left",
      width: 262,
      minWidth: 180,
      suppressMovable: true,
      valueGetter: (/** @type {Cell} */ { data }) => (data ? nameOf(data) : ""),
      tooltipValueGetter: (/** @type {Cell} */ { data }) =>
        !data
          ? ""
          : data.isGroup
            ? data.title
            : `${data.facts.eventTitle} ${data.ticker}. Opens the fills behind its figures.`,
      cellRenderer: nameCell,
    },
    figure(
      "subaccount",
      "Sub",
      54,
      (row) => own(row, (one) => one.subaccount),
      (value) => (value === null ? "" : String(value)),
    ),
    {
      colId: "side",
      headerName: "Side",
      width: 58,
      minWidth: 50,
      valueGetter: (/** @type {Cell} */ { data }) => (data && !data.isGroup ? data.side || "flat" : ""),
      cellRenderer: (/** @type {{value: string}} */ { value }) =>
        value === "YES" || value === "NO"
          ? element("span", { class: `badge badge--${value.toLowerCase()}`, text: value })
          : value,
    },
    figure(
      "count",
      "Contracts",
      76,
      (row) => own(row, (one) => one.count),
      (value) => (value === null ? "" : formatCount(value)),
      {
        ...tinted,
        ...exchangeTip("Contracts held"),
      },
    ),
    figure(
      "average",
      "Average",
      62,
      (row) => own(row, (one) => one.average),
      (value) => (value === null ? "" : price(value)),
    ),
    figure("cost", "Cost", 100, (row) => row.cost, money, {
      ...tinted,
      ...exchangeTip("Cost of the open contracts, without fees"),
    }),
    figure("mark", "Mark", 86, (row) => own(row, (one) => one.markPrice), price, {
      tooltipValueGetter: (/** @type {Cell} */ { data }) => (data ? markTip(data) : ""),
      cellClass: "ag-right-aligned-cell portfolio__mark",
      cellRenderer: markCell,
      ...tinted,
    }),
    figure("value", "Value", 92, (row) => row.value, money, {
      ...tinted,
      tooltipValueGetter: (/** @type {Cell} */ { data }) => (data ? markTip(data) : ""),
    }),
    figure("unrealised", "Unrealised", 84, (row) => row.unrealised, signed, {
      ...toned,
      tooltipValueGetter: (/** @type {Cell} */ { data }) =>
        data ? `Value at the mark less cost. ${markTip(data)}` : "",
    }),
    figure("today", "Net realised today", 118, (row) => row.today, signed, {
      ...toned,
      headerTooltip:
        "Realised on this trading day (New York) less fees, from the desk's fills and settlements. Day P&L above counts what is open, too.",
    }),
    figure("worst", "Worst case", 104, (row) => row.worst, signed, { ...toned, tooltipValueGetter: caseTip }),
    figure("best", "Best case", 104, (row) => row.best, signed, { ...toned, tooltipValueGetter: caseTip }),
    figure(
      "ifYes",
      "If YES",
      82,
      (row) => own(row, (one) => one.paysYes),
      (value) => (value === null ? "" : money(value)),
      {
        headerTooltip: "What the contracts pay out when the market resolves YES",
        tooltipValueGetter: (/** @type {Cell} */ { data }) =>
          data && !data.isGroup
            ? `P&L of the open contracts if YES: ${signed(data.paysYes - data.cost)}, before fees`
            : "",
      },
    ),
    figure(
      "ifNo",
      "If NO",
      82,
      (row) => own(row, (one) => one.paysNo),
      (value) => (value === null ? "" : money(value)),
      {
        headerTooltip: "What the contracts pay out when the market resolves NO",
        tooltipValueGetter: (/** @type {Cell} */ { data }) =>
          data && !data.isGroup
            ? `P&L of the open contracts if NO: ${signed(data.paysNo - data.cost)}, before fees`
            : "",
      },
    ),
    figure("realised", "Realised", 82, (row) => row.realised, signed, {
      ...toned,
      ...exchangeTip("Realised since the first fill, before fees"),
    }),
    figure("fees", "Fees", 68, (row) => row.fees, money, exchangeTip("Fees")),
    figure(
      "settles",
      "Settles",
      98,
      (row) => row.settlesMs,
      (value) => when(value),
      {
        headerTooltip: "When the result is expected; of a group the first of its markets",
        sortingOrder: ["asc", "desc", null],
        headerClass: "",
        cellClass: "",
      },
    ),
  ];
  return columns.map((column) => ({ ...column, hide: HIDDEN_AT_FIRST.has(column.colId) }));

  /** @param {{data?: AnyRow, value: number | null}} params */
  function markCell({ data, value }) {
    if (!data || data.isGroup) return "";
    const note =
      data.mark.kind === "last"
        ? "last"
        : data.mark.kind === "one_side"
          ? "1 side"
          : data.mark.kind === "result"
            ? "result"
            : "";
    return element("span", {}, [
      ...(note ? [element("span", { class: "portfolio__mark-kind", text: note })] : []),
      data.mark.isVoid ? "cost" : price(value),
    ]);
  }
}

/** What decides the name's cell: it is drawn anew when this changes. @param {AnyRow} row */
const nameOf = (row) =>
  row.isGroup
    ? `${row.name} ${row.positions}${row.isClosed ? " closed" : ""}`
    : `${row.facts.outcome || row.ticker}${row.isBroken ? " differs" : ""}`;

/** @param {Cell} params */
function caseTip({ data }) {
  if (!data) return "";
  const how =
    data.isGroup && data.isExclusive
      ? "At most one market of this event resolves YES."
      : data.isGroup
        ? "Events are counted as independent of each other."
        : "The market resolves YES or NO.";
  return `P&L of the open contracts, before fees. ${how}`;
}

/** @param {Cell} params */
function nameCell({ data }) {
  if (!data) return "";
  if (!data.isGroup) {
    return element("span", { class: "portfolio__name" }, [
      ...(data.isBroken
        ? [
            element("span", {
              class: "badge badge--warning",
              text: "differs",
              attributes: { title: "Differs from the exchange's figures: see above" },
            }),
          ]
        : []),
      element("a", {
        class: "orders__link",
        text: data.facts.outcome || data.ticker,
        attributes: { href: ledgerAddress(data.ticker, data.subaccount), tabindex: "-1" },
      }),
      element("span", { class: "portfolio__ticker", text: data.facts.outcome ? data.ticker : "" }),
    ]);
  }
  const name = data.href
    ? element("a", { class: "orders__link", text: data.name, attributes: { href: data.href, tabindex: "-1" } })
    : element("span", { text: data.name });
  const fold = data.key.startsWith("group:")
    ? [
        element("button", {
          class: "portfolio__fold",
          text: data.isClosed ? "▸" : "▾",
          attributes: {
            type: "button",
            tabindex: "-1",
            "data-fold-group": data.key,
            "aria-expanded": String(!data.isClosed),
            "aria-label": `${data.isClosed ? "Show" : "Hide"} positions of ${data.name}`,
          },
        }),
      ]
    : [];
  return element("span", { class: "portfolio__name portfolio__name--group" }, [
    ...fold,
    name,
    element("span", { class: "portfolio__ticker", text: String(data.positions) }),
  ]);
}
