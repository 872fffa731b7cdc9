/** The tape: the newest trades of a market, newest first. Rows are made once and reused. */
import { DOLLAR, formatCount, formatPrice, toUnits } from "../core/fixed.js";

/** @typedef {{id: string, price: string, count: string, side: "yes" | "no", ts_ms: number}} Trade */

/**
 * @param {HTMLTableSectionElement} body
 * @param {object} options
 * @param {{zone: string, step: number, format: import("../core/fixed.js").PriceFormat}} options.look
 * @param {number} options.limit
 */
export function createTape(body, { look, limit }) {
  const time = new Intl.DateTimeFormat("en-GB", {
    timeZone: look.zone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  let newest = "";

  /** @param {Trade} trade @param {"yes" | "no"} view */
  function makeRow(trade, view) {
    const row = document.createElement("tr");
    const units = toUnits(trade.price, 4);
    const cells = [
      time.format(trade.ts_ms),
      formatPrice(view === "yes" ? units : DOLLAR - units, look),
      formatCount(toUnits(trade.count, 2)),
    ];
    cells.forEach((text, index) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      if (index > 0) cell.className = "num";
      row.append(cell);
    });
    const isUp = trade.side === view;
    row.children[1]?.classList.add(isUp ? "is-bid" : "is-ask");
    row.title = `${trade.side === "yes" ? "YES" : "NO"} was bought by the taker`;
    return row;
  }

  return {
    /** @param {Trade[]} trades newest first @param {"yes" | "no"} view */
    show(trades, view) {
      const key = `${view}:${look.step}:${trades[0]?.id ?? ""}`;
      if (key === newest) return;
      newest = key;
      body.replaceChildren(...trades.slice(0, limit).map((trade) => makeRow(trade, view)));
    },
  };
}
