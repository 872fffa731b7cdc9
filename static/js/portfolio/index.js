/** The Portfolio page: joins balances, positions, results and marks into figures, charts and the positions grid. */
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { createColumnMemory } from "../grid/column-memory.js";
import { wireColumnMenu } from "../grid/column-menu.js";
import { keptHere } from "../grid/kept-here.js";
import { NARROW_PX } from "../grid/theme.js";
import { watchFeed } from "../markets/live.js";
import { watchHands } from "../orders/hands.js";
import { showBreaks } from "./breaks.js";
import { createPositionCards } from "./cards.js";
import { createCharts } from "./charts.js";
import { showFigures } from "./figures.js";
import { figuresOf } from "./figures-model.js";
import { createPositionsGrid } from "./grid.js";
import { watchMarks } from "./marks.js";
import { arrange, groupRows, isChosen, positionRow, readFacts, sumRows, unknownFacts } from "./row-model.js";

/** @typedef {import("./row-model.js").PositionRow} PositionRow */
/** @typedef {import("./row-model.js").GroupRow} GroupRow */
/** @typedef {import("./row-model.js").AnyRow} AnyRow */

const SHOW_MS = 500; // figures follow the books at most this often
const FACTS_AT_ONCE = 100;
const TYPING_MS = 200;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='portfolio']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const { account = "", environment = "", person = "", factsUrl = "" } = root.dataset;
const told = JSON.parse(document.getElementById("portfolio-data")?.textContent ?? "{}");
const facts = readFacts(told.facts);
const form = /** @type {HTMLFormElement} */ (find("[data-filters]"));
const kept = keptHere(person);

/** @type {Record<string, any>} */
let pnl = told.pnl;
/** @type {Record<string, any> | null} */
let status = null;
/** Rows of all positions, chosen or not. @type {Map<string, PositionRow>} */
const rows = new Map();
/** Keys whose row must be made anew. @type {Set<string>} */
const dirty = new Set();
/** @type {Set<string>} keys that are on screen */
let shownKeys = new Set();
/** @type {Set<string>} */
const closed = new Set();
/** @type {Set<string>} tickers asked for, so that each is asked once */
const asked = new Set();
let isStarted = false;
let isMembership = false;

desk.topics.watch(`positions:${account}`, () => {});
const live = /** @type {import("../core/topics.js").TopicState} */ (desk.topics.peek(`positions:${account}`));
const marks = watchMarks(environment, (tickers) => {
  for (const [key, row] of rows) if (tickers.has(row.ticker)) dirty.add(key);
});
const isNarrow = () => window.innerWidth < NARROW_PX;
const feed = () => ({
  isLive: status?.["feed"] === "live" && desk.socket.link.state === "live",
  ageMs: status?.["feed_ms"] ? desk.clock.now() - status["feed_ms"] : null,
});

const grid = createPositionsGrid(find("[data-grid]"), {
  format: desk.data.price_format,
  zone: desk.data.time_zone,
  now: desk.clock.now,
  feed,
  memory: createColumnMemory("portfolio.columns", kept, { withSort: true }),
  onFold(key) {
    if (!closed.delete(key)) closed.add(key);
    draw();
  },
});
const cards = createPositionCards(find("[data-cards]"), { format: desk.data.price_format });
const charts = createCharts(root, { zone: desk.data.time_zone, now: desk.clock.now });
const hands = watchHands(find("[data-grid]"));

/* --- the choice ------------------------------------------------------------------------------ */

function choice() {
  const data = new FormData(form);
  const text = String(data.get("q") ?? "").trim();
  const group = String(data.get("group") ?? "event");
  return { text, group, subaccount: String(data.get("sub") ?? ""), flat: data.get("flat") === "yes" };
}

/** The address, the export and what is kept follow the choice. */
function keepChoice() {
  const { text, group, subaccount, flat } = choice();
  const search = new URLSearchParams();
  if (text) search.set("q", text);
  if (subaccount) search.set("sub", subaccount);
  if (flat) search.set("flat", "yes");
  if (group !== "event") search.set("group", group);
  history.replaceState(null, "", location.pathname + (search.size ? `?${search}` : ""));
  kept.setItem("portfolio.view", JSON.stringify({ group, flat }));
  const values = { q: text, sub: subaccount, flat: flat ? "yes" : "" };
  for (const [name, value] of Object.entries(values)) {
    const field = /** @type {HTMLInputElement | null} */ (root.querySelector(`[data-export] [name="${name}"]`));
    if (field) field.value = value;
  }
}

/* --- rows ------------------------------------------------------------------------------------- */

/** @param {string} key */
function remake(key) {
  const row = live.rows.get(key);
  if (!row) {
    rows.delete(key);
    return;
  }
  const ticker = row["ticker"];
  const known = facts.get(ticker) ?? unknownFacts(ticker);
  const isBroken = pnl["breaks"].some((/** @type {any} */ one) => one["key"] === key && one["is_certain"]);
  rows.set(key, positionRow(row, known, marks.of(known), pnl["markets"][key], isBroken));
}

/** @returns {AnyRow[]} heads and positions in any order; the grid sorts and arranges them */
function chosenRows() {
  const { group, ...filter } = choice();
  const mine = [...rows.values()].filter((row) => isChosen(row, filter));
  shownKeys = new Set(mine.map((row) => row.key));
  const heads = groupRows(mine, group, closed);
  const folded = new Set(heads.filter((head) => head.isClosed).map((head) => head.key));
  if (!folded.size) return [...heads, ...mine];
  const under = mine.filter((row) => !groupRows([row], group, closed).some((head) => folded.has(head.key)));
  return [...heads, ...under];
}

/** @returns {GroupRow} */
function totalRow() {
  const mine = [...rows.values()].filter((row) => shownKeys.has(row.key));
  const words = { name: "All that is listed", title: "Events are counted as independent of each other", href: "" };
  return { key: "total", isGroup: true, isClosed: false, ...words, ...sumRows(mine) };
}

/* --- drawing ---------------------------------------------------------------------------------- */

/** Show the choice as it is now, rows in their places. */
function draw() {
  if (!isStarted) return;
  isMembership = false;
  const all = chosenRows();
  const { group } = choice();
  if (isNarrow()) {
    const nodes = all.map((data) => ({ data })).sort((one, other) => other.data.cost - one.data.cost);
    arrange(nodes, group);
    cards.show(nodes.map((node) => node.data));
  } else grid.show(all, group, totalRow());
  find("[data-grid]").hidden = isNarrow() || shownKeys.size === 0;
  find("[data-cards]").hidden = !isNarrow() || shownKeys.size === 0;
  setText(find("[data-positions-count]"), shownKeys.size.toLocaleString("en-US"));
  find("[data-empty]").hidden = shownKeys.size > 0 || !live.isFresh;
  const isAny = [...rows.values()].some((row) => row.count);
  setText(find("[data-empty-title]"), isAny ? "No position matches" : "No open position");
  setText(
    find("[data-empty-text]"),
    isAny
      ? "A shorter text, or all subaccounts, shows more."
      : "What this account holds is listed here, by event, with what it may still bring.",
  );
  showAround();
}

/** Every half second: what changed since, in place; who comes and goes when nobody is pointing at the rows. */
function tick() {
  if (!isStarted || document.hidden) return;
  const keys = new Set(dirty);
  dirty.clear();
  const filter = choice();
  for (const key of keys) {
    remake(key);
    const row = rows.get(key);
    if ((row !== undefined && isChosen(row, filter)) !== shownKeys.has(key)) isMembership = true;
  }
  if (isMembership && !hands.areOn()) return draw();
  if (keys.size) {
    const view = isNarrow() ? cards : grid;
    const mine = [...rows.values()].filter((row) => shownKeys.has(row.key));
    for (const key of keys) {
      const row = rows.get(key);
      if (row && shownKeys.has(key)) view.update(row);
    }
    for (const head of groupRows(mine, filter.group, closed)) view.update(head);
    if (!isNarrow()) grid.total(totalRow());
  }
  showAround();
}

/** Figures, breaks and charts of the whole account. */
function showAround() {
  const open = [...rows.values()].filter((row) => row.count);
  const sum = sumRows(open);
  const balance = desk.topics.peek(`balance:${account}`)?.value ?? null;
  const holding = new Set(open.map((row) => String(row.subaccount)));
  const found = figuresOf(balance, pnl, sum.unrealised, holding);
  const now = desk.clock.now();
  showFigures(root, found, pnl, { now, unmarked: sum.unmarked, isLive: feed().isLive });
  showBreaks(find("[data-breaks]"), pnl["breaks"], now);
  charts.show(groupRows(open, "event", closed), found);
}

/* --- facts of markets that opened meanwhile ------------------------------------------------------ */

/** Ask once for each market that is new here, and again when its status has changed: it may have a result. */
function askForFacts() {
  const missing = [...new Set(live.rows.values().map((row) => row["ticker"]))].filter((ticker) => {
    const known = facts.get(ticker);
    const status = marks.statusOf(ticker);
    return (!known || (status && status !== known.status)) && !asked.has(ticker + status);
  });
  if (!missing.length) return;
  const now = missing.slice(0, FACTS_AT_ONCE);
  const names = now.map((ticker) => ticker + marks.statusOf(ticker));
  for (const name of names) asked.add(name);
  const search = new URLSearchParams(now.map((ticker) => ["ticker", ticker]));
  fetch(`${factsUrl}?${search}`, { headers: { Accept: "application/json" } })
    .then(async (answer) => {
      if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
      for (const [ticker, one] of readFacts(await answer.json())) facts.set(ticker, one);
      for (const key of live.rows.keys()) dirty.add(key);
      isMembership = true;
    })
    // Names stay tickers; they are asked for again in a while.
    .catch(() => setTimeout(() => names.forEach((name) => asked.delete(name)), 30_000));
}

/** @param {Iterable<string>} keys */
function changed(keys) {
  for (const key of keys) dirty.add(key);
  const open = live.rows
    .values()
    .filter((row) => Number(row["position"]) !== 0)
    .sort((one, other) => Number(other["cost"]) - Number(one["cost"]));
  marks.want([...new Set(open.map((row) => row["ticker"]))]);
  askForFacts();
}

/* --- start --------------------------------------------------------------------------------------- */

function start() {
  isStarted = true;
  find("[data-plain]").hidden = true;
  find("[data-apply]").hidden = true;
  find("[data-charts]").hidden = false;
  const view = JSON.parse(kept.getItem("portfolio.view") ?? "{}");
  const search = new URLSearchParams(location.search);
  const group = /** @type {HTMLSelectElement} */ (form.elements.namedItem("group"));
  const flat = /** @type {HTMLInputElement} */ (form.elements.namedItem("flat"));
  if (!search.has("group") && [...group.options].some((one) => one.value === view.group)) group.value = view.group;
  if (!search.has("flat") && view.flat === true) flat.checked = true;
  wireColumnMenu(find("[data-columns-menu]"), grid);
  keepChoice();
  changed(live.rows.keys());
  for (const key of dirty) remake(key);
  dirty.clear();
  charts.start();
  draw();
}

live.rows.subscribe((key) => {
  if (isStarted) changed([key]);
});
desk.topics.watch(`positions:${account}`, (state) => {
  if (state.isFresh && !isStarted) start();
});
desk.topics.watch(`balance:${account}`, () => {});
desk.topics.watch(`pnl:${account}`, (state) => {
  if (!state.value) return;
  const before = { ...pnl["markets"] };
  if (JSON.stringify(pnl["total"]) !== JSON.stringify(state.value["total"])) charts.changed();
  pnl = state.value;
  for (const [key, now] of Object.entries(pnl["markets"])) if (String(before[key]) !== String(now)) dirty.add(key);
  for (const key of Object.keys(before)) if (!(key in pnl["markets"])) dirty.add(key);
  for (const [key, row] of rows) {
    const isBroken = pnl["breaks"].some((/** @type {any} */ one) => one["key"] === key && one["is_certain"]);
    if (row.isBroken !== isBroken) dirty.add(key);
  }
});
desk.topics.watch(`status:${environment}`, (state) => (status = state.value));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
form.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    keepChoice();
    draw();
  }, TYPING_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  keepChoice();
  draw();
  grid.focusFirst();
});
let wasNarrow = isNarrow();
window.addEventListener("resize", () => {
  charts.resized();
  if (wasNarrow === isNarrow()) return;
  wasNarrow = isNarrow();
  draw();
});
setInterval(tick, SHOW_MS);
setInterval(() => isStarted && askForFacts(), 5_000);
watchFeed(root, environment);

desk.keys.register({ keys: "f", label: "Filter the positions", run: () => find("[data-search]").focus() });
desk.keys.register({
  keys: "g",
  label: "Next grouping of the positions",
  run() {
    const group = /** @type {HTMLSelectElement} */ (form.elements.namedItem("group"));
    group.selectedIndex = (group.selectedIndex + 1) % group.options.length;
    keepChoice();
    draw();
  },
});
