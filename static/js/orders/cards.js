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
 * @param {(key: string) => void} options.onChange
 * @param {() => void} options.onSelection
 */
export function createCards(list, { format, canCancel, onCancel, onChange, onSelection }) {
  /** @type {Map<string, {v: number, node: HTMLElement, row: BlotterRow}>} */
  const cards = new Map();

  /** Keys of chosen cards; those that can no longer be cancelled are not counted. @type {Set<string>} */
  const chosen = new Set();

  list.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    const key = box.getAttribute("data-choose") ?? "";
    if (box.checked) chosen.add(key);
    else chosen.delete(key);
    onSelection();
  });
  list.addEventListener("click", (event) => {
    const change = /** @type {Element} */ (event.target).closest("[data-change-row]")?.getAttribute("data-change-row");
    if (change) onChange(change);
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
    const what = `${row.side} in ${row.ticker}`;
    const choose = element("input", {
      attributes: { type: "checkbox", "data-choose": row.key, "aria-label": `Choose ${what}` },
    });
    /** @type {HTMLInputElement} */ (choose).checked = chosen.has(row.key);
    const head = element("p", { class: "orders__card-head" }, [
      ...(canCancel && row.canCancel ? [choose] : []),
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
    const deeds = [];
    if (canCancel && row.canChange)
      deeds.push(
        element("button", {
          class: "button orders__card-cancel",
          text: "Change",
          attributes: { type: "button", "data-change-row": row.key, "aria-label": `Change ${what}` },
        }),
      );
    if (canCancel && row.canCancel)
      deeds.push(
        element("button", {
          class: "button button--danger orders__card-cancel",
          text: `Cancel ${count(row.remaining)} left`,
          attributes: {
            type: "button",
            "data-cancel": row.key,
            "aria-label": `Cancel ${count(row.remaining)} left: ${what}`,
          },
        }),
      );
    if (deeds.length) lines.push(element("p", { class: "orders__card-deeds" }, deeds));
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
        const isSame =
          known?.v === row.v && known.row.canCancel === row.canCancel && known.row.canChange === row.canChange;
        if (known && isSame) return known.node;
        const node = card(row);
        cards.set(row.key, { v: row.v, node, row });
        return node;
      });
      for (const key of chosen) if (!kept.has(key)) chosen.delete(key);
      const isSame = nodes.length === list.children.length && nodes.every((node, at) => list.children[at] === node);
      if (!isSame) list.replaceChildren(...nodes);
    },
    /** @returns {BlotterRow[]} chosen orders that can still be cancelled */
    selected: () => [...chosen].flatMap((key) => cards.get(key)?.row ?? []).filter((row) => row.canCancel),
    clearSelection() {
      chosen.clear();
      for (const box of list.querySelectorAll("[data-choose]")) /** @type {HTMLInputElement} */ (box).checked = false;
    },
  };
}
