/** Positions on a phone: a head per group, a card per position, figures changed in place. */
import { formatCount, formatMoney, formatPrice } from "../core/fixed.js";
import { element, setText } from "../frame/dom.js";
import { ledgerAddress } from "./columns.js";

/** @typedef {import("./row-model.js").AnyRow} AnyRow */

const AT_MOST = 150;

/**
 * @param {HTMLElement} list
 * @param {{format: import("../core/fixed.js").PriceFormat}} options
 */
export function createPositionCards(list, { format }) {
  /** @type {Map<string, HTMLElement>} */
  const cards = new Map();
  const money = (/** @type {number | null} */ units) => (units === null ? "-" : formatMoney(units));
  const signed = (/** @type {number | null} */ units) => (units === null ? "-" : formatMoney(units, { signed: true }));

  /** @param {AnyRow} row */
  function build(row) {
    const name = row.isGroup
      ? element("strong", { text: row.name })
      : element("a", {
          class: "link",
          text: row.facts.outcome || row.ticker,
          attributes: { href: ledgerAddress(row.ticker, row.subaccount) },
        });
    const side = row.isGroup ? [] : [element("span", { class: "badge", attributes: { "data-part": "side" } })];
    return element("li", { class: row.isGroup ? "portfolio__card portfolio__card--group" : "portfolio__card" }, [
      element("p", { class: "portfolio__card-head" }, [
        name,
        ...side,
        element("span", { class: "num", attributes: { "data-part": "unrealised" } }),
      ]),
      element("p", { class: "portfolio__card-facts", attributes: { "data-part": "facts" } }),
    ]);
  }

  /** @param {AnyRow} row @param {HTMLElement} node */
  function fill(row, node) {
    const part = (/** @type {string} */ name) => node.querySelector(`[data-part="${name}"]`);
    const unrealised = part("unrealised");
    setText(unrealised, signed(row.unrealised));
    if (unrealised)
      unrealised.className = `num ${(row.unrealised ?? 0) > 0 ? "gain" : (row.unrealised ?? 0) < 0 ? "loss" : ""}`;
    const cases = `worst ${signed(row.worst)}, best ${signed(row.best)}`;
    if (row.isGroup) return setText(part("facts"), `${row.positions} held, cost ${money(row.cost)}, ${cases}`);
    const side = part("side");
    setText(side, `${formatCount(row.count)} ${row.side}`.trim());
    if (side) side.className = `badge badge--${row.side ? row.side.toLowerCase() : "muted"}`;
    const price = (/** @type {number | null} */ units) =>
      units === null ? "-" : formatPrice(units, { format, step: units % 10 ? 1 : 10 });
    setText(
      part("facts"),
      `average ${price(row.average)}, mark ${price(row.markPrice)}${row.mark.kind === "last" ? " (last)" : ""}, cost ${money(row.cost)}, ${cases}`,
    );
  }

  return {
    /** @param {AnyRow[]} rows in the order in which they stand */
    show(rows) {
      const shown = rows.slice(0, AT_MOST);
      const keys = new Set(shown.map((row) => row.key));
      for (const key of cards.keys()) if (!keys.has(key)) cards.delete(key);
      for (const row of shown) {
        const node = cards.get(row.key) ?? build(row);
        cards.set(row.key, node);
        fill(row, node);
      }
      const more = rows.length - shown.length;
      const rest =
        more > 0
          ? [element("li", { class: "portfolio__card", text: `${more} more: narrow the choice to see them.` })]
          : [];
      list.replaceChildren(...shown.map((row) => /** @type {HTMLElement} */ (cards.get(row.key))), ...rest);
    },
    /** @param {AnyRow} row */
    update(row) {
      const node = cards.get(row.key);
      if (node) fill(row, node);
    },
  };
}
