/** The blotter on a phone: one card for each order, the newest first. */
import { formatCount, formatPrice } from "../core/fixed.js";
import { element } from "../frame/dom.js";
import { marketAddress, orderAddress } from "./columns.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */

const AT_MOST = 100;

/**
 * @param {HTMLElement} list
 * @param {object} options
 * @param {import("../core/fixed.js").PriceFormat} options.format
 * @param {boolean} options.canCancel
 * @param {(row: BlotterRow) => void} options.onCancel
 */
export function createCards(list, { format, canCancel, onCancel }) {
  /** @type {Map<string, {v: number, node: HTMLElement, row: BlotterRow}>} */
  const cards = new Map();

  list.addEventListener("click", (event) => {
    const key = /** @type {Element} */ (event.target).closest("[data-cancel]")?.getAttribute("data-cancel");
    const row = key ? cards.get(key)?.row : undefined;
    if (row?.canCancel) onCancel(row);
  });

  const price = (/** @type {number} */ units) => formatPrice(units, { format, step: units % 100 ? 1 : 100 });
  const count = (/** @type {number | null} */ units) => (units === null ? "not known" : formatCount(units));

  /** @param {BlotterRow} row */
  function card(row) {
    const facts = [
      `${count(row.filled)} filled`,
      ...(row.isWorking ? [`${count(row.remaining)} left`] : []),
      row.terms,
    ];
    const head = element("p", { class: "orders__card-head" }, [
      element("span", { class: `badge badge--${row.isBid ? "buy" : "sell"}`, text: row.side }),
      element("a", {
        class: "orders__card-what",
        text: `${formatCount(row.count)} at ${price(row.price)}`,
        attributes: { href: orderAddress(row.key) },
      }),
      element("span", { class: `badge badge--${row.tone}`, text: row.stateText }),
    ]);
    const market = element("a", { class: "link", text: row.ticker, attributes: { href: marketAddress(row.ticker) } });
    const lines = [
      head,
      element("p", {}, [market]),
      element("p", { class: "muted", text: `${facts.join(" · ")} · ${row.person}` }),
    ];
    if (row.reason) lines.push(element("p", { text: row.reason }));
    if (canCancel && row.canCancel) {
      lines.push(
        element("button", {
          class: "button button--danger orders__card-cancel",
          text: `Cancel ${count(row.remaining)} left`,
          attributes: {
            type: "button",
            "data-cancel": row.key,
            "aria-label": `Cancel ${count(row.remaining)} left: ${row.side} in ${row.ticker}`,
          },
        }),
      );
    }
    return element(
      "li",
      { class: "orders__card", attributes: { "data-key": row.key, "data-state": row.state } },
      lines,
    );
  }

  return {
    /** @param {BlotterRow[]} rows */
    show(rows) {
      const shown = [...rows].sort((a, b) => (b.createdMs ?? 0) - (a.createdMs ?? 0)).slice(0, AT_MOST);
      const kept = new Set(shown.map((row) => row.key));
      for (const key of cards.keys()) if (!kept.has(key)) cards.delete(key);
      const nodes = shown.map((row) => {
        const known = cards.get(row.key);
        if (known && known.v === row.v && known.row.canCancel === row.canCancel) return known.node;
        const node = card(row);
        cards.set(row.key, { v: row.v, node, row });
        return node;
      });
      const isSame = nodes.length === list.children.length && nodes.every((node, at) => list.children[at] === node);
      if (!isSame) list.replaceChildren(...nodes);
    },
  };
}
