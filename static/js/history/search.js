/**
 * History > Search: filters with a name and columns, kept for the person, and how many records match. Everything else
 * of the page works without scripts.
 */
import { createColumnMemory } from "../grid/column-memory.js";
import { wireColumnMenu } from "../grid/column-menu.js";
import { keptHere } from "../grid/kept-here.js";
import { wireSavedFilters } from "../grid/saved-filters.js";
import { createTableColumns } from "./columns.js";
import { countRows, countWords } from "./count.js";

const COLUMNS = "history.columns";

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-module='history-search']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (root?.querySelector(selector));
const kept = keptHere(root?.dataset["person"] ?? "");

/** What the address asks for, without the place in the list. */
function present() {
  const search = new URLSearchParams(window.location.search);
  search.delete("after");
  return search.toString();
}

const saved = find("[data-saved-menu]");
if (saved) {
  wireSavedFilters(saved, {
    storage: kept,
    key: "history.filters",
    present,
    onChoose(search) {
      void kept.flush().then(() => window.location.assign(`?${search}`));
    },
  });
}

const table = /** @type {HTMLTableElement | null} */ (find("[data-found]"));
const columns = find("[data-columns-menu]");
if (table && columns) wireColumnMenu(columns, createTableColumns(table, createColumnMemory(COLUMNS, kept)));

const counter = find("[data-count]");
const countAll = /** @type {HTMLButtonElement | null} */ (find("[data-count-all]"));
if (counter && countAll) {
  const { countUrl = "", query = "" } = counter.dataset;
  /** @type {import("./count.js").Part} */
  let counted = { rows: 0, next: "" };

  /** @param {string} after */
  const ask = async (after) => {
    const response = await fetch(`${countUrl}?${query}&${new URLSearchParams({ after })}`, {
      headers: { Accept: "application/json" },
    });
    if (!response.ok || response.redirected) throw new Error(`the desk answered ${response.status}`);
    return response.json();
  };

  /** @param {number} [parts] */
  const count = async (parts) => {
    countAll.hidden = true;
    try {
      counted = await countRows(ask, {
        ...(parts ? { parts } : {}),
        from: counted,
        told(now) {
          counted = now;
          counter.textContent = countWords(now, true);
        },
      });
      counter.textContent = countWords(counted, false);
    } catch {
      counter.textContent = counted.next ? countWords(counted, false) : "Not counted";
    }
    countAll.hidden = !counted.next && counter.textContent !== "Not counted";
  };

  countAll.addEventListener("click", () => void count(Infinity));
  void count();
}
