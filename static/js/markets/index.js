/** The Markets page: filters in the address, rows from the server, live values laid over them. */
import { desk } from "../frame/desk.js";
import { csrfToken, setText } from "../frame/dom.js";
import { toast } from "../frame/toasts.js";
import { createColumnMemory } from "../grid/column-memory.js";
import { wireColumnMenu } from "../grid/column-menu.js";
import { keptHere } from "../grid/kept-here.js";
import { wireSavedFilters } from "../grid/saved-filters.js";
import { defaultStatus, isNarrowed, readFilters, rowsUrl, toSearch } from "./filters.js";
import { PAGE_ROWS, createMarketsGrid } from "./grid.js";
import { watchFeed, watchPositions, watchTickers } from "./live.js";
import { fromServer, withLive, withPosition } from "./row-model.js";

/** @typedef {import("./row-model.js").MarketRow} MarketRow */

const TYPING_MS = 200;
const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='markets']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const {
  environment = "",
  account = "",
  subaccount = "0",
  person = "",
  rowsUrl: rowsBase = "",
  starUrl = "",
} = root.dataset;
const form = /** @type {HTMLFormElement} */ (find("[data-filters]"));
const search = /** @type {HTMLInputElement} */ (find("[data-search]"));

const kept = keptHere(person);
let filters = readFilters(location.search);
/** The list that stars change; the server says which with each page of rows. @type {{id: number | null, name: string}} */
let target = { id: null, name: "Starred" };
/** @type {ReturnType<typeof createMarketsGrid> | null} */
let grid = null;
/** @type {AbortController} */
let asked = new AbortController();
/** @type {Promise<import("./grid.js").Page> | null} what was fetched before the grid existed */
let ahead = null;

const { rowOf } = watchTickers(environment, (tickers) => grid?.update(tickers, joined));
const { positionOf } = watchPositions(account, subaccount, (tickers) => grid?.update(tickers, joined));

/** @param {MarketRow} row */
function joined(row) {
  return withPosition(withLive(row, rowOf(row.ticker)), positionOf(row.ticker));
}

/* --- rows ---------------------------------------------------------------------------------- */

/** @param {number} offset @param {number} limit @returns {Promise<import("./grid.js").Page>} */
async function fetchRows(offset, limit) {
  const response = await fetch(rowsUrl(rowsBase, filters, offset, limit), {
    headers: { Accept: "application/json" },
    signal: asked.signal,
  });
  const body = await response.json().catch(() => ({}));
  const problems = body.fields ?? {};
  markFields(problems);
  if (Object.keys(problems).length) throw new Error(`${body.error} Nothing new is listed until then.`);
  if (response.redirected) throw new Error("You are signed out. Reload the page to sign in again.");
  if (!response.ok || !Array.isArray(body.rows)) {
    throw new Error(`The list could not be read: ${body.error ?? `the desk answered ${response.status}.`}`);
  }
  target = body.list;
  const page = { rows: body.rows.map(fromServer).map(joined), total: body.total };
  showOutcome(page.total);
  return page;
}

/** @param {number} offset @param {number} limit */
async function load(offset, limit) {
  const first = offset === 0 && ahead;
  ahead = null;
  const page = await (first || fetchRows(offset, limit));
  // Joined again as they go into the grid: what came live in between had no row to go to yet.
  return { ...page, rows: page.rows.map(joined) };
}

/** @param {number} total */
function showOutcome(total) {
  find("[data-error]").hidden = true;
  setText(find("[data-count]"), total === 1 ? "1 market" : `${total.toLocaleString("en")} markets`);
  const empty = find("[data-empty]");
  empty.hidden = total > 0;
  find("[data-grid]").classList.toggle("is-empty", total === 0);
  if (total > 0) return;
  const [title, text] = emptyWords();
  setText(find("[data-empty-title]"), title);
  setText(find("[data-empty-text]"), text);
}

/** @returns {[string, string]} */
function emptyWords() {
  if (isNarrowed(filters)) return ["No market matches", "Fewer words, another status or a wider spread show more."];
  if (filters["list"] === "starred")
    return ["No market is starred yet", "The star in front of a market puts it here. Only you see this list."];
  if (filters["list"]) return ["This list is empty", "Lists, then Choose markets, puts markets on it."];
  return ["No markets yet", "The catalogue of this environment has not been read yet. It is read every minute."];
}

/** @param {unknown} error */
function showError(error) {
  if (error instanceof Error && error.name === "AbortError") return;
  const isOurs = error instanceof Error && !(error instanceof TypeError);
  const unreachable = "The desk cannot be reached. The list may be old.";
  setText(find("[data-error-text]"), isOurs ? error.message : unreachable);
  root.querySelector(".markets__problems")?.remove(); // the page's own words for the same
  find("[data-error]").hidden = false;
}

/** @param {Record<string, string>} problems by field */
function markFields(problems) {
  for (const field of form.querySelectorAll("input, select")) {
    if (problems[field.getAttribute("name") ?? ""]) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

function reload() {
  asked.abort();
  asked = new AbortController();
  if (grid) grid.reload();
  else void start();
}

/* --- filters, and the address --------------------------------------------------------------- */

/** @param {"push" | "replace"} how a burst of typing is one step of the Back button */
function applyFilters(how) {
  const next = readFilters(`?${new URLSearchParams(/** @type {any} */ (new FormData(form)))}`);
  if (toSearch(next) === toSearch(filters)) return;
  filters = next;
  const address = location.pathname + toSearch(filters);
  if (how === "push") history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  showFilters();
  reload();
}

function showFilters() {
  find("[data-clear]").hidden = !isNarrowed(filters);
  const category = filters["category"] ?? "";
  for (const option of /** @type {NodeListOf<HTMLOptionElement>} */ (
    form.querySelectorAll("[name=series] option[data-category]")
  )) {
    option.hidden = Boolean(category) && option.dataset["category"] !== category;
  }
}

function fillForm() {
  for (const [name, value] of Object.entries(filters)) {
    const field = /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));
    if (field) field.value = name === "status" ? value || defaultStatus(filters) : value;
  }
  showFilters();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
let isBurst = false;
form.addEventListener("input", (event) => {
  if (!(event.target instanceof HTMLInputElement)) return;
  clearTimeout(typing);
  typing = setTimeout(() => {
    applyFilters(isBurst ? "replace" : "push");
    isBurst = true;
  }, TYPING_MS);
});
form.addEventListener("change", (event) => {
  const field = /** @type {HTMLSelectElement | HTMLInputElement} */ (event.target);
  if (field.name === "category") {
    const series = /** @type {HTMLSelectElement} */ (form.elements.namedItem("series"));
    const chosen = series.selectedOptions[0]?.dataset["category"];
    if (chosen !== undefined && field.value && chosen !== field.value) series.value = "";
  }
  if (field instanceof HTMLSelectElement) applyFilters("push");
});
form.addEventListener("focusout", () => (isBurst = false));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  applyFilters("push");
  grid?.focusFirst();
});
find("[data-clear]").addEventListener("click", (event) => {
  event.preventDefault();
  const { list = "", star = "", sort = "" } = filters;
  filters = { ...readFilters(""), list, star, sort };
  history.pushState(null, "", location.pathname + toSearch(filters));
  fillForm();
  reload();
  search.focus();
});
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    grid?.focusFirst();
  }
});
window.addEventListener("popstate", () => {
  const next = readFilters(location.search);
  // Another list has other tabs and menus around it: those come from the server.
  if (next["list"] !== filters["list"] || next["star"] !== filters["star"]) return location.reload();
  filters = next;
  fillForm();
  grid?.setSort(filters["sort"] ?? "");
  reload();
});

/* --- rows: open and star --------------------------------------------------------------------- */

/** @param {MarketRow} row @param {boolean} inNewTab */
function open(row, inNewTab) {
  if (inNewTab) window.open(row.url, "_blank", "noopener");
  else location.assign(row.url);
}

/** @param {MarketRow} row */
async function star(row) {
  const starred = !row.starred;
  const mark = (/** @type {boolean} */ value) => grid?.update([row.ticker], (shown) => ({ ...shown, starred: value }));
  mark(starred); // at once; taken back if the desk refuses
  const body = new URLSearchParams({
    ticker: row.ticker,
    list: target.id === null ? "" : String(target.id),
    starred: starred ? "1" : "0",
    csrfmiddlewaretoken: csrfToken(),
  });
  try {
    const response = await fetch(starUrl, { method: "POST", body, headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `The desk answered ${response.status}.`);
    target = answer.list;
    const tab = root.querySelector(`[data-list-id="${answer.list.id}"]`) ?? root.querySelector("[data-list='starred']");
    setText(tab?.querySelector("[data-list-size]") ?? null, String(answer.list.count));
  } catch (error) {
    mark(!starred);
    toast({ title: "The list was not changed", text: error instanceof Error ? error.message : "", level: "danger" });
  }
}

/* --- start ----------------------------------------------------------------------------------- */

wireSavedFilters(find("[data-saved-menu]"), {
  storage: kept,
  key: "markets.filters",
  present: () => toSearch(filters),
  // Another list has other tabs and menus around it: those come from the server.
  onChoose: (saved) => location.assign(location.pathname + toSearch(readFilters(saved))),
});

/** Where the person was in this list, when they come back to it. */
const placeKey = () => `desk:markets:place:${toSearch(filters)}`;

async function start() {
  if (window.innerWidth < 760) find("[data-fold]").removeAttribute("open");
  find("[data-apply]").hidden = true; // choices count as they are made
  fillForm();
  const page = fetchRows(0, PAGE_ROWS);
  try {
    await page;
  } catch (error) {
    // The table that came with the page stays; the grid takes its place when the rows can be read.
    showError(error);
    find("[data-empty]").hidden = true;
    return;
  }
  ahead = page;
  find("[data-plain]").hidden = true;
  find("[data-grid]").hidden = false;
  const shown = createMarketsGrid(find("[data-grid]"), {
    nonce: /** @type {HTMLMetaElement | null} */ (document.querySelector("meta[name=csp-nonce]"))?.nonce ?? "",
    sort: filters["sort"] ?? "",
    format: desk.data.price_format,
    zone: desk.data.time_zone,
    now: desk.clock.now,
    listName: () => target.name,
    memory: createColumnMemory("markets.columns", kept),
    load,
    onOpen: open,
    onStar: star,
    onSort(sort) {
      filters = { ...filters, sort };
      /** @type {HTMLInputElement} */ (form.elements.namedItem("sort")).value = sort;
      history.replaceState(null, "", location.pathname + toSearch(filters));
    },
    onError: showError,
  });
  grid = shown;
  wireColumnMenu(find("[data-columns-menu]"), shown);
  setInterval(shown.tick, 1_000);
  const place = Number(sessionStorage.getItem(placeKey()) ?? 0);
  if (place > 0 && place < PAGE_ROWS) setTimeout(() => shown.scrollTo(place), 0);
  window.addEventListener("pagehide", () => sessionStorage.setItem(placeKey(), String(shown.firstShown())));
}

find("[data-retry]").addEventListener("click", () => {
  find("[data-error]").hidden = true;
  reload();
});
desk.keys.register({ keys: "f", label: "Filter the markets", run: () => search.select() });
desk.keys.register({
  keys: "s",
  label: "Star the market of the row",
  run() {
    const row = grid?.focusedRow();
    if (row) void star(row);
  },
});
watchFeed(root, environment);
void start();
