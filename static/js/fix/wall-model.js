/** What the live wall shows of its rows. No DOM. */

/** @typedef {{id: number, at_ms: number, sent_ms: number | null, type: string, ticker: string, [field: string]: any}} Report */

/** Types without a box of their own are shown with "other". */
export const OTHER = "other";

/**
 * Newest first, of the chosen types, with the text in market, order or client id.
 * @param {Iterable<Report>} rows
 * @param {{types: Set<string>, known: Set<string>, text: string}} filter
 */
export function chosen(rows, { types, known, text }) {
  const wanted = text.trim().toLowerCase();
  return [...rows]
    .filter((row) => types.has(known.has(row.type) ? row.type : OTHER))
    .filter(
      (row) =>
        !wanted || [row.ticker, row.order_id, row.client_order_id].some((one) => one.toLowerCase().includes(wanted)),
    )
    .toSorted((one, other) => other.id - one.id);
}

/** "2026-..." is not for a wall. "0.5600" -> "56¢", "0.5650" -> "56.5¢". @param {string | null} price */
export function cents(price) {
  if (price === null) return "-";
  const [whole = "0", part = ""] = price.split(".");
  const units = `${whole}${part.padEnd(4, "0").slice(0, 4)}`.replace(/^0+(?=\d{3})/, "");
  const rest = units.slice(-2).replace(/0+$/, "");
  return `${units.slice(0, -2).replace(/^0+(?=\d)/, "")}${rest ? `.${rest}` : ""}¢`;
}

/** "10.00" -> "10", "2.50" stays. @param {string | null} count */
export const contracts = (count) => (count === null ? "-" : count.replace(/\.00$/, ""));

/** The texts of a row's cells, by name. @param {Report} row @param {(ms: number) => string} time */
export function cellsOf(row, time) {
  return {
    at: time(row.at_ms),
    ticker: row.ticker,
    side: row.side ?? "-",
    count: contracts(row.last_count ?? row.count),
    price: cents(row.last_price ?? row.price),
    filled: contracts(row.filled),
    remaining: contracts(row.remaining),
    order: row.order_id,
    exec: row.exec_id,
  };
}
