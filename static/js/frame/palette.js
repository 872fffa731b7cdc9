/** Command palette (Ctrl-K): markets by the server's search, pages and actions at once. */

import { moveSelection, rank } from "../core/palette-model.js";
import { desk } from "./desk.js";
import { element, iconNode } from "./dom.js";

/** @typedef {import("../core/palette-model.js").Entry} Entry */

const SEARCH_URL = "/markets/search.json";
const PAUSE_MS = 120;
const GROUPS = { market: "Markets", page: "Pages", action: "Actions" };

/** @param {Entry[]} actions what the frame and the page can do */
export function createPalette(actions) {
  const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("[data-palette-dialog]"));
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  const list = /** @type {HTMLElement} */ (dialog.querySelector("[role=listbox]"));
  /** @type {Entry[]} */
  let shown = [];
  /** @type {Entry[]} */
  let markets = [];
  let selected = 0;
  /** @type {AbortController | null} */
  let search = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;

  /** @returns {Entry[]} */
  const fixed = () => [
    ...desk.data.pages.map((page) => /** @type {Entry} */ ({ kind: "page", label: page.label, url: page.url })),
    ...actions,
  ];

  function draw() {
    shown = [...markets, ...rank(fixed(), input.value)];
    selected = Math.min(selected, Math.max(0, shown.length - 1));
    list.replaceChildren();
    let group = "";
    shown.forEach((entry, index) => {
      if (entry.kind !== group) {
        group = entry.kind;
        list.append(
          element("div", { class: "palette__group", text: GROUPS[entry.kind], attributes: { role: "presentation" } }),
        );
      }
      list.append(itemNode(entry, index));
    });
    if (!shown.length) {
      list.append(
        element("div", {
          class: "palette__group",
          text: `Nothing found for "${input.value}".`,
          attributes: { role: "presentation" },
        }),
      );
    }
    mark();
  }

  /** @param {Entry} entry @param {number} index */
  function itemNode(entry, index) {
    const node = element("div", {
      class: "palette__item",
      attributes: { role: "option", id: `palette-${index}`, "data-index": String(index) },
    });
    node.append(iconNode(entry.kind), element("span", { class: "truncate", text: entry.label }));
    if (entry.detail) node.append(element("span", { class: "palette__detail", text: entry.detail }));
    return node;
  }

  function mark() {
    for (const node of list.querySelectorAll("[role=option]")) {
      const isSelected = node.id === `palette-${selected}`;
      node.setAttribute("aria-selected", String(isSelected));
      if (isSelected) node.scrollIntoView({ block: "nearest" });
    }
    if (shown.length) input.setAttribute("aria-activedescendant", `palette-${selected}`);
    else input.removeAttribute("aria-activedescendant");
  }

  async function searchMarkets() {
    search?.abort();
    const query = input.value.trim();
    if (!query) {
      markets = [];
      return draw();
    }
    search = new AbortController();
    try {
      const response = await fetch(`${SEARCH_URL}?q=${encodeURIComponent(query)}`, { signal: search.signal });
      const body = response.ok ? await response.json() : { markets: [] };
      markets = (body.markets ?? body.results ?? []).slice(0, 8).map(marketEntry);
      draw();
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") markets = [];
    }
  }

  /** @param {number} index */
  function choose(index) {
    const entry = shown[index];
    if (!entry) return;
    dialog.close();
    if (entry.url) location.assign(entry.url);
    else entry.run?.();
  }

  input.addEventListener("input", () => {
    selected = 0;
    draw();
    clearTimeout(pause);
    pause = setTimeout(searchMarkets, PAUSE_MS);
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      selected = moveSelection(selected, event.key === "ArrowDown" ? 1 : -1, shown.length);
      mark();
    } else if (event.key === "Enter" && !event.isComposing) choose(selected);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const item = /** @type {Element} */ (event.target).closest("[data-index]");
    if (item) choose(Number(item.getAttribute("data-index")));
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  return {
    open() {
      if (dialog.open) return dialog.close();
      input.value = "";
      markets = [];
      selected = 0;
      draw();
      dialog.showModal();
      input.focus();
    },
  };
}

/** @param {{ticker: string, title?: string, label?: string, url?: string}} market @returns {Entry} */
function marketEntry(market) {
  return {
    kind: "market",
    label: market.title ?? market.label ?? market.ticker,
    detail: market.ticker,
    url: market.url ?? `/markets/${encodeURIComponent(market.ticker)}/`,
  };
}
