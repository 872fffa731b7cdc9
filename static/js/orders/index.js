/** The Orders page: live rows of the account, older ones from the server, one choice of tab and filters over both. */
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { createColumnMemory } from "../grid/column-memory.js";
import { wireColumnMenu } from "../grid/column-menu.js";
import { keptHere } from "../grid/kept-here.js";
import { wireSavedFilters } from "../grid/saved-filters.js";
import { NARROW_PX } from "../grid/theme.js";
import { watchFeed } from "../markets/live.js";
import { createCancels } from "./cancel.js";
import { createChanges } from "./change.js";
import { createCards } from "./cards.js";
import { TABS, emptyWords, isNarrowed, readChoice, toSearch } from "./choice.js";
import { marketAddress, orderAddress } from "./columns.js";
import { countsNow, tally } from "./counts.js";
import { createOrdersGrid } from "./grid.js";
import { createOlderRows } from "./older.js";
import { groupTitles } from "./group-model.js";
import { watchHands } from "./hands.js";
import { fromDesk, isChosen } from "./row-model.js";
import { plural, scopeWords } from "./scope.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */
/** @typedef {Record<string, any>} DeskRow */

const TYPING_MS = 200;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='orders']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const maybe = (/** @type {string} */ selector) =>
  /** @type {HTMLButtonElement | null} */ (root.querySelector(selector));
const { account = "", accountName = "", environment = "", person = "", rowsUrl = "" } = root.dataset;
const { cancelAllUrl = "", mayCancel = "no" } = root.dataset;
/** @type {{people: Record<string, string>, titles: Record<string, string>, counts: Record<string, number>}} */
const told = JSON.parse(document.getElementById("orders-data")?.textContent ?? "{}");
const form = /** @type {HTMLFormElement} */ (find("[data-filters]"));
const search = /** @type {HTMLInputElement} */ (find("[data-search]"));
const groupField = /** @type {HTMLSelectElement} */ (find("[data-group]"));
const kept = keptHere(person);

let choice = readChoice(location.search);
/** Rows that only the server's pages gave; a live row of the same key counts instead. @type {Map<string, DeskRow>} */
const older = new Map();
let isStarted = false;
/** What the live rows were when the server counted. */
let countedThen = tally([]);
/** @type {Set<string>} keys that are on screen */
let shownKeys = new Set();
let isHeld = false;

desk.topics.watch(`orders:${account}`, () => {});
const live = /** @type {import("../core/topics.js").TopicState} */ (desk.topics.peek(`orders:${account}`));

/* --- rows ----------------------------------------------------------------------------------- */

/** @param {string} key @returns {DeskRow | undefined} */
function rowOf(key) {
  const now = live.rows.get(key);
  const then = older.get(key);
  return now && then ? (then["v"] > now["v"] ? then : now) : (now ?? then);
}

/** Names of the order groups by the exchange's id. @type {Map<string, string>} */
let groupNames = new Map();
const blotterRow = (/** @type {DeskRow} */ row) => fromDesk(row, told.people, groupNames);

function chosenRows() {
  const every = [...new Set([...older.keys(), ...live.rows.keys()])].map((key) => /** @type {DeskRow} */ (rowOf(key)));
  return every.filter((row) => isChosen(row, choice)).map(blotterRow);
}

function workingRows() {
  return live.rows
    .values()
    .map(blotterRow)
    .filter((row) => row.isWorking);
}

/* --- drawing -------------------------------------------------------------------------------- */

const cancels = createCancels(/** @type {HTMLDialogElement} */ (find("[data-confirm]")), {
  account,
  cancelAllUrl,
  reach: root.dataset.reach ?? "part",
});
const changes = createChanges(/** @type {HTMLDialogElement} */ (find("[data-change]")), {
  mayAmend: desk.may("order.place"),
  latest: (key) => {
    const row = rowOf(key);
    return row ? blotterRow(row) : null;
  },
});
const grid = createOrdersGrid(find("[data-grid]"), {
  format: desk.data.price_format,
  zone: desk.data.time_zone,
  now: desk.clock.now,
  canCancel: mayCancel === "yes",
  titleOf: (ticker) => told.titles[ticker] ?? "",
  memory: createColumnMemory("orders.columns", kept, { withSort: true }),
  onOpen(row, inNewTab) {
    if (inNewTab) window.open(orderAddress(row.key), "_blank", "noopener");
    else location.assign(orderAddress(row.key));
  },
  onCancel: (row) => void cancels.one(row),
  onChange: (key) => changes.open(key),
  onSelection: showSelection,
  onEnd: () => void pages.load(),
});
const cards = createCards(find("[data-cards]"), {
  format: desk.data.price_format,
  canCancel: mayCancel === "yes",
  onCancel: (row) => void cancels.one(row),
  onChange: (key) => changes.open(key),
  onSelection: showSelection,
});
const selection = () => (isNarrow() ? cards : grid);
const hands = watchHands(find("[data-grid]"));
const isNarrow = () => window.innerWidth < NARROW_PX;

/** Show the choice as it is now, rows in their places. */
function draw() {
  if (!isStarted) return;
  const rows = chosenRows();
  shownKeys = new Set(rows.map((row) => row.key));
  isHeld = false;
  if (isNarrow()) cards.show(rows);
  else grid.show(rows, groupField.value);
  find("[data-grid]").hidden = isNarrow() || rows.length === 0;
  find("[data-cards]").hidden = !isNarrow() || rows.length === 0;
  showEmpty(rows.length);
  showAround();
  showSelection();
}

/** Something changed: figures at once; who comes and goes, when nobody is pointing at the rows. */
function refresh(/** @type {Set<string>} */ changed) {
  if (!isStarted) return;
  let isMembership = false;
  for (const key of changed) {
    const row = rowOf(key);
    const isIn = row !== undefined && isChosen(row, choice);
    if (isIn !== shownKeys.has(key)) isMembership = true;
    if (row && shownKeys.has(key) && !isNarrow()) grid.update(blotterRow(row));
  }
  if (isNarrow() || (isMembership && !hands.areOn())) return draw();
  isHeld ||= isMembership;
  showAround();
  showSelection();
}

function showAround() {
  showCounts();
  showCancelling();
  const held = find("[data-held]");
  held.hidden = !isHeld;
  setText(held, "The list has changed: show it");
  const more = { unread: "older ones not read yet", more: "older ones exist", none: "nothing older" }[pages.left];
  setText(
    find("[data-loaded]"),
    `${plural(shownKeys.size, "order")} listed, ${more}. Times in ${desk.data.time_zone}.`,
  );
  find("[data-older]").hidden = pages.left !== "more";
  find("[data-live-footer]").hidden = false;
}

function showCounts() {
  const now = live.isFresh ? countsNow(told.counts, countedThen, tally(live.rows.values())) : told.counts;
  for (const tab of TABS)
    setText(root.querySelector(`[data-tab-count="${tab}"]`), (now[tab] ?? 0).toLocaleString("en"));
  root.querySelector("[data-tab-link='unknown']")?.toggleAttribute("data-alarm", Boolean(now["unknown"]));
  const all = maybe("[data-cancel-all]");
  if (all) all.disabled = !now["working"];
}

/** What cancels have not reached yet stays in sight until nothing is left. */
function showCancelling() {
  const place = find("[data-cancelling]");
  const rows = workingRows().filter((row) => row.isCancelling);
  place.hidden = rows.length === 0;
  if (rows.length)
    setText(place.querySelector("[data-cancelling-text]"), `Cancelling, and not gone yet: ${scopeWords(rows)}.`);
}

function showSelection() {
  const button = maybe("[data-cancel-selected]");
  if (!button) return;
  const rows = selection().selected();
  button.hidden = isNarrow() && rows.length === 0;
  button.disabled = rows.length === 0;
  setText(button, rows.length ? `Cancel ${scopeWords(rows)}` : "Cancel selected");
}

/** @param {number} count */
function showEmpty(count) {
  const isWaiting = pages.isLoading || !live.isFresh;
  find("[data-empty]").hidden = count > 0 || isWaiting;
  const [title, text] = emptyWords(choice);
  setText(find("[data-empty-title]"), title);
  setText(find("[data-empty-text]"), text);
}

/* --- older rows ------------------------------------------------------------------------------ */

/** @param {import("./desk-http.js").RowsPage} page */
function take(page) {
  Object.assign(told.titles, page.titles);
  told.counts = page.counts;
  countedThen = tally(live.rows.values());
}

const pages = createOlderRows({
  rowsUrl,
  choice: () => choice,
  onPage(page) {
    take(page);
    for (const row of page.rows) older.set(row["key"], row);
    find("[data-error]").hidden = true;
    draw();
  },
  onCounts(page) {
    take(page);
    showCounts();
  },
  onError(words) {
    setText(find("[data-error-text]"), `Older orders could not be read: ${words}`);
    find("[data-error]").hidden = false;
  },
});

function reload() {
  pages.reset();
  draw();
  grid.backToTop();
  void pages.load();
}

/* --- tab and filters -------------------------------------------------------------------------- */

/** @param {import("./row-model.js").Choice} wanted @param {"push" | "replace" | "none"} how */
function choose(wanted, how) {
  if (toSearch(wanted) === toSearch(choice)) return;
  choice = wanted;
  const address = location.pathname + toSearch(choice);
  if (how === "push") history.pushState(null, "", address);
  if (how === "replace") history.replaceState(null, "", address);
  grid.clearSelection();
  showChoice();
  reload();
}

function showChoice() {
  for (const link of root.querySelectorAll("[data-tab-link]")) {
    const tab = link.getAttribute("data-tab-link") ?? "";
    if (tab === choice.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.setAttribute("href", toSearch({ ...choice, tab }) || location.pathname);
  }
  for (const name of /** @type {const} */ (["tab", "q", "side", "person", "subaccount"])) {
    const field = /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));
    if (field && document.activeElement !== field) field.value = choice[name];
  }
  find("[data-clear]").hidden = !isNarrowed(choice);
  for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (
    root.querySelectorAll("[data-export] [type=hidden]")
  ))
    if (field.name in choice) field.value = choice[/** @type {keyof typeof choice} */ (field.name)];
}

/** @param {"push" | "replace"} how */
function readForm(how) {
  choose(readChoice(`?${new URLSearchParams(/** @type {any} */ (new FormData(form)))}`), how);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => readForm("replace"), TYPING_MS);
});
form.addEventListener("change", (event) => {
  if (event.target === groupField) {
    kept.setItem("orders.group", JSON.stringify(groupField.value));
    draw();
  } else if (event.target instanceof HTMLSelectElement) readForm("push");
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  readForm("push");
  grid.focusFirst();
});
find("[data-clear]").addEventListener("click", (event) => {
  event.preventDefault();
  choose({ ...readChoice(""), tab: choice.tab }, "push");
  search.value = "";
  search.focus();
});
for (const link of root.querySelectorAll("[data-tab-link]")) {
  link.addEventListener("click", (event) => {
    const click = /** @type {MouseEvent} */ (event);
    if (click.ctrlKey || click.metaKey || click.shiftKey) return;
    event.preventDefault();
    choose({ ...choice, tab: link.getAttribute("data-tab-link") ?? "working" }, "push");
  });
}
window.addEventListener("popstate", () => choose(readChoice(location.search), "none"));

/* --- controls ---------------------------------------------------------------------------------- */

async function cancelSelected() {
  const rows = selection().selected();
  if (!rows.length || !(await cancels.selected(rows, accountName))) return;
  grid.clearSelection();
  cards.clearSelection();
  showSelection();
}

function cancelAll() {
  const unknown = live.rows.values().filter((row) => row["state"] === "unknown").length;
  return cancels.all(workingRows(), unknown, accountName);
}

maybe("[data-cancel-selected]")?.addEventListener("click", () => void cancelSelected());
maybe("[data-cancel-all]")?.addEventListener("click", (event) => {
  event.preventDefault();
  void cancelAll();
});
find("[data-older]").addEventListener("click", () => void pages.load());
find("[data-held]").addEventListener("click", draw);
find("[data-retry]").addEventListener("click", () => {
  find("[data-error]").hidden = true;
  void pages.load();
});
/* --- start ------------------------------------------------------------------------------------- */

/** The live rows are there: the grid takes the place of the page's own table. */
function start() {
  isStarted = true;
  countedThen = tally(live.rows.values()); // the page's own counts are as old as it is
  find("[data-plain]").hidden = true;
  groupField.hidden = false;
  groupField.value = String(JSON.parse(kept.getItem("orders.group") ?? '""'));
  if (groupField.selectedIndex < 0) groupField.value = "";
  find("[data-apply]").hidden = true;
  if (isNarrow()) find("[data-fold]").removeAttribute("open");
  wireColumnMenu(find("[data-columns-menu]"), grid);
  wireSavedFilters(find("[data-saved-menu]"), {
    storage: kept,
    key: "orders.filters",
    present: () => toSearch(choice),
    onChoose: (saved) => choose(readChoice(saved), "push"),
  });
  showChoice();
  draw();
  void pages.load();
}

/** @type {Set<string>} */
const changed = new Set();
let isDue = false;
live.rows.subscribe((key, row) => {
  if (row === undefined) older.delete(key);
  changed.add(key);
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const keys = new Set(changed);
    changed.clear();
    if (live.isFresh && !isStarted) return start();
    refresh(keys);
    pages.recount();
  });
});
desk.topics.watch(`orders:${account}`, (state) => {
  if (state.isFresh && !isStarted) start();
});
desk.topics.watch(`groups:${account}`, (state) => {
  const next = groupTitles(state.rows.values());
  if (JSON.stringify([...next]) === JSON.stringify([...groupNames])) return;
  groupNames = next;
  draw();
});
setInterval(() => {
  if (!isStarted || document.hidden) return;
  if (!isNarrow()) grid.tick();
  if (isHeld && !hands.areOn()) draw();
}, 1_000);
let wasNarrow = isNarrow();
window.addEventListener("resize", () => {
  if (wasNarrow === isNarrow()) return;
  wasNarrow = isNarrow();
  draw();
});
watchFeed(root, environment);

desk.keys.register({ keys: "f", label: "Filter the orders", run: () => search.select() });
TABS.forEach((tab, at) =>
  desk.keys.register({ keys: String(at + 1), label: `Tab ${tab}`, run: () => choose({ ...choice, tab }, "push") }),
);
if (mayCancel === "yes") {
  desk.keys.register({ keys: "c", label: "Cancel the selected orders (asks first)", run: () => void cancelSelected() });
  desk.keys.register({ keys: "Shift+C", label: "Cancel all working orders (asks first)", run: () => void cancelAll() });
}
if (mayCancel === "yes")
  desk.keys.register({
    keys: "a",
    label: "Amend or decrease the order of the row",
    run: () => changes.open(focusedKey()),
  });
desk.keys.register({ keys: "m", label: "Open the market of the row", run: openMarket });

function focusedKey() {
  return document.activeElement?.closest("[row-id]")?.getAttribute("row-id") ?? "";
}

function openMarket() {
  const row = rowOf(focusedKey());
  if (row) location.assign(marketAddress(row["ticker"]));
}
