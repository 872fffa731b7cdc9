/** History > Search: filters with a name, kept for the person. Everything else of the page works without scripts. */
import { keptHere } from "../grid/kept-here.js";
import { wireSavedFilters } from "../grid/saved-filters.js";

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-module='history-search']"));
const menu = /** @type {HTMLElement | null} */ (root?.querySelector("[data-saved-menu]") ?? null);

/** What the address asks for, without the place in the list. */
function present() {
  const search = new URLSearchParams(window.location.search);
  search.delete("after");
  return search.toString();
}

if (root && menu) {
  const kept = keptHere(root.dataset["person"] ?? "");
  wireSavedFilters(menu, {
    storage: kept,
    key: "history.filters",
    present,
    onChoose(search) {
      void kept.flush().then(() => window.location.assign(`?${search}`));
    },
  });
}
