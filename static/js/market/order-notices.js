/**
 * What is said about orders and fills: toasts for what this tab sent, words for screen readers and the
 * notification list for the rest. What was there when the page opened is no news. No DOM here.
 */
import { formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";

/** @typedef {Record<string, any>} Row */

/**
 * @param {object} options
 * @param {(message: {title: string, text: string, level: "danger" | "warning"}) => void} options.toast
 * @param {(text: string) => void} options.announce
 * @param {(message: {title: string, text: string}) => void} options.notice
 * @param {{step: number, format: import("../core/fixed.js").PriceFormat}} options.look
 */
export function createOrderNotices({ toast, announce, notice, look }) {
  /** Idempotency keys of orders that this tab sent, and what was said of them. @type {Map<string, string>} */
  const sent = new Map();
  /** @type {Set<string> | null} */
  let fills = null;

  return {
    /** @param {string} key */
    track(key) {
      if (!sent.has(key)) sent.set(key, "");
    },
    /** @param {Row[]} rows */
    showOrders(rows) {
      for (const row of rows) {
        const said = sent.get(row.idempotency_key);
        if (said === undefined || said === row.state) continue;
        sent.set(row.idempotency_key, row.state);
        if (row.state === "refused") toast({ title: "Order refused", text: row.error, level: "danger" });
        if (row.state === "unknown") {
          const text = "Sent, not confirmed by the exchange. It is being checked; nothing is sent again.";
          toast({ title: "Order not confirmed yet", text, level: "warning" });
        }
        if (row.state === "not_seen") toast({ title: "Order not found", text: row.evidence, level: "warning" });
        if (row.state === "resting" && said === "") announce("Order resting.");
        if (row.state === "canceled" && said !== "") announce("Order cancelled.");
        if (row.state === "canceled" && said === "resting" && row.ended)
          notice({ title: "An order was taken off", text: `${row.ticker}: ${row.ended}` });
      }
    },
    /** @param {Row[]} rows all fills shown */
    showFills(rows) {
      const known = fills;
      fills = new Set(rows.map((row) => row.key));
      if (known === null) return;
      const fresh = rows.filter((row) => !known.has(row.key));
      if (fresh.length === 0) return;
      const words = fresh.map((row) => fillWords(row, look));
      announce(words.length > 3 ? `${words.length} fills. The last: ${words.at(-1)}` : words.join(" "));
      fresh.forEach((row, index) => notice({ title: words[index] ?? "", text: row.ticker }));
    },
  };
}

/** "Filled: bought 40 YES at 31¢, fee $0.60." @param {Row} row @param {{step: number, format: import("../core/fixed.js").PriceFormat}} look */
export function fillWords(row, look) {
  const price = formatPrice(toUnits(row.outcome_price, 4), look);
  const count = formatCount(toUnits(row.count, 2));
  return `Filled: bought ${count} ${row.outcome_side.toUpperCase()} at ${price}, fee ${formatMoney(toUnits(row.fee, 6))}.`;
}
