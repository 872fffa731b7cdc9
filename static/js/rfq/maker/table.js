/** A light table: rows by key, written in place, never moved while somebody has hold of them. */
import { element, setAttribute, setText } from "../../frame/dom.js";

/**
 * @typedef {object} Column
 * @property {string} id
 * @property {string} title
 * @property {string} [css]
 * @property {boolean} [isNumber]
 */
/** @typedef {{text: string, title?: string, tone?: string, nodes?: () => Node[], nodesKey?: string}} Cell nodes are made again only when nodesKey changes */

/**
 * @param {HTMLTableElement} table
 * @param {object} options
 * @param {Column[]} options.columns
 * @param {string} options.label
 * @param {(key: string, deed: string, button: HTMLElement) => void} [options.onDeed] a button with data-deed was pressed
 */
export function createTable(table, { columns, label, onDeed }) {
  const head = element("tr");
  for (const { id, title, isNumber } of columns)
    head.append(
      element("th", { class: isNumber ? "number" : "", attributes: { scope: "col", "data-col": id } }, [
        title ? title : element("span", { class: "visually-hidden", text: "Actions" }),
      ]),
    );
  const body = element("tbody");
  table.replaceChildren(
    element("caption", { class: "visually-hidden", text: label }),
    element("thead", {}, [head]),
    body,
  );
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  /** @type {HTMLElement[]} */
  const free = [];

  function take() {
    const row = free.pop();
    if (row) return row;
    return element(
      "tr",
      {},
      columns.map(({ id, css = "", isNumber }) =>
        element("td", { class: `${css} ${isNumber ? "number" : ""}`.trim(), attributes: { "data-col": id } }),
      ),
    );
  }

  /** @param {HTMLElement} cell @param {Cell} value */
  function write(cell, { text, title = "", tone = "", nodes, nodesKey = "" }) {
    setAttribute(cell, "title", title);
    setAttribute(cell, "data-tone", tone);
    if (!nodes) return setText(cell, text);
    if (cell.dataset["nodes"] === nodesKey) return;
    cell.dataset["nodes"] = nodesKey;
    cell.replaceChildren(...nodes());
  }

  body.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-deed]"));
    const key = button?.closest("tr")?.dataset["key"];
    if (button && key) onDeed?.(key, button.dataset["deed"] ?? "", button);
  });

  return {
    body,
    /** Show exactly these rows in this order. @param {{key: string, tone?: string, cells: Record<string, Cell>}[]} rows */
    show(rows) {
      const keys = new Set(rows.map(({ key }) => key));
      for (const [key, row] of shown) {
        if (keys.has(key)) continue;
        shown.delete(key);
        row.remove();
        // A row that has the keyboard is not given to another request: Enter would act on that one.
        if (!row.contains(document.activeElement)) free.push(row);
      }
      let next = body.firstElementChild;
      for (const { key, tone = "", cells } of rows) {
        const row = shown.get(key) ?? take();
        shown.set(key, row);
        setAttribute(row, "data-key", key);
        setAttribute(row, "data-tone", tone);
        columns.forEach(({ id }, at) =>
          write(/** @type {HTMLElement} */ (row.children[at]), cells[id] ?? { text: "" }),
        );
        if (row === next) next = row.nextElementSibling;
        else body.insertBefore(row, next);
      }
    },
    rowOf: (/** @type {string} */ key) => shown.get(key),
  };
}

/**
 * Whether somebody has hold of a part of the page: points at it, touches it, works in it by keyboard, or scrolled it.
 * @param {HTMLElement} region what scrolls
 * @param {() => void} onChange
 */
export function watchHold(region, onChange) {
  let isPointed = false;
  const set = (/** @type {boolean} */ is) => {
    if (isPointed === is) return;
    isPointed = is;
    onChange();
  };
  region.addEventListener("pointerenter", () => set(true));
  region.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && set(false));
  document.addEventListener("pointerdown", (event) => {
    if (!region.contains(/** @type {Node} */ (event.target))) set(false);
  });
  region.addEventListener("focusin", onChange);
  region.addEventListener("focusout", onChange);
  region.addEventListener("scroll", onChange, { passive: true });
  return {
    isHeld: () =>
      isPointed ||
      region.scrollTop > 4 ||
      (region !== document.activeElement && region.contains(document.activeElement)),
  };
}

/** @param {string} deed @param {string} text @param {{css?: string, label?: string}} [options] */
export function deedButton(deed, text, { css = "", label = "" } = {}) {
  const attributes = { type: "button", "data-deed": deed, ...(label ? { "aria-label": label } : {}) };
  return element("button", { class: `button button--small ${css}`.trim(), text, attributes });
}
