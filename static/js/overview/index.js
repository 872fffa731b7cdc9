/** The Overview page: joins the live topics of the selected account into one look. */
import { createEquityChart } from "../portfolio/equity-chart.js";
import { exchangeWords, feedWords } from "../frame/bar.js";
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { watchFeed } from "../markets/live.js";
import { showFigures } from "../portfolio/figures.js";
import { figuresOf } from "../portfolio/figures-model.js";
import { watchMarks } from "../portfolio/marks.js";
import { groupRows, positionRow, readFacts, sumRows, unknownFacts } from "../portfolio/row-model.js";
import { happenedOf, healthOf, requestsOf, windowsOf, workingOf } from "./model.js";
import * as view from "./view.js";

/** @typedef {import("../portfolio/row-model.js").PositionRow} PositionRow */
/** @typedef {Record<string, any>} Row */

const SHOW_MS = 500;
const READ_MS = 10_000;
const POINT_MS = 15_000;
const FACTS_AT_ONCE = 100;
const FACTS_AGAIN_MS = 60_000;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='overview']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const { account = "", environment = "", factsUrl = "", equityUrl = "", nowUrl = "" } = root.dataset;
const told = JSON.parse(document.getElementById("overview-data")?.textContent ?? "{}");
const facts = readFacts(told.facts);

/** @type {Row} */
let pnl = told.pnl;
/** @type {{limits: Row[], health: import("./model.js").Source[], steps: Row[]}} */
let standing = told.standing;
/** @type {Map<string, PositionRow>} */
const rows = new Map();
/** @type {Set<string>} keys whose row must be made anew */
const dirty = new Set();
/** @type {Map<string, number>} when each market's name was asked for */
const asked = new Map();
let by = "event";
let span = "1d";
let points = 0;
let pointAt = 0;

const topic = (/** @type {string} */ kind, scope = account) => desk.topics.peek(`${kind}:${scope}`);
for (const kind of [
  "positions",
  "balance",
  "pnl",
  "orders",
  "fills",
  "rfqs",
  "confirms",
  "quotes",
  "trading",
  "limits",
])
  desk.topics.watch(`${kind}:${account}`, () => {});
desk.topics.watch(`status:${environment}`, () => {});
const positions = /** @type {import("../core/topics.js").TopicState} */ (topic("positions"));
const marks = watchMarks(environment, (tickers) => {
  for (const [key, row] of rows) if (tickers.has(row.ticker)) dirty.add(key);
});
positions.rows.subscribe((key) => dirty.add(key));
desk.topics.watch(`pnl:${account}`, (state) => {
  if (state.value) pnl = state.value;
});
const chart = createEquityChart(find("[data-equity]"), { zone: desk.data.time_zone });
const look = {
  format: desk.data.price_format,
  nameOf: (/** @type {string} */ ticker) => facts.get(ticker)?.outcome || ticker,
};
const rowsOf = (/** @type {string} */ kind) => topic(kind)?.rows.values() ?? [];

/* --- reading ---------------------------------------------------------------------------------- */

/** @param {string} address */
async function read(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok || answer.redirected) throw new Error(`The desk answered ${answer.status}.`);
  return answer.json();
}

async function readEquity() {
  const wanted = span;
  try {
    const found = await read(`${equityUrl}?span=${wanted}`);
    if (wanted !== span) return;
    chart.show(found.points);
    points = found.points.length;
    noteCurve();
  } catch (error) {
    setText(find("[data-equity-note]"), `could not be read: ${error instanceof Error ? error.message : error}`);
  }
}

const noteCurve = () => setText(find("[data-equity-note]"), points > 1 ? "" : "a point a minute, from now on");

async function readStanding() {
  if (document.hidden) return;
  try {
    standing = await read(nowUrl);
    setText(find("[data-standing-note]"), "");
  } catch {
    setText(find("[data-standing-note]"), "could not be read again");
  }
}

/** Ask for the names of markets that are new here. */
async function readFactsOf() {
  const names = new Set([...rows.values()].map((row) => row.ticker));
  for (const row of [...workingRows(), ...rowsOf("fills")]) names.add(row["ticker"]);
  const now = performance.now();
  const missing = [...names]
    .filter((name) => !facts.has(name) && now - (asked.get(name) ?? -Infinity) > FACTS_AGAIN_MS)
    .slice(0, FACTS_AT_ONCE);
  if (!missing.length) return;
  for (const name of missing) asked.set(name, now);
  const search = new URLSearchParams(missing.map((name) => ["ticker", name]));
  try {
    for (const [name, one] of readFacts(await read(`${factsUrl}?${search}`))) facts.set(name, one);
    for (const key of positions.rows.keys()) dirty.add(key);
  } catch {
    // Names stay tickers; they are asked for again in a minute.
  }
}

const workingRows = () => rowsOf("orders").filter((row) => row["is_working"] || row["state"] === "unknown");

/* --- drawing ---------------------------------------------------------------------------------- */

function remake() {
  if (!dirty.size) return;
  for (const key of dirty) {
    const row = positions.rows.get(key);
    if (!row) {
      rows.delete(key);
      continue;
    }
    const known = facts.get(row["ticker"]) ?? unknownFacts(row["ticker"]);
    const isBroken = pnl["breaks"].some((/** @type {Row} */ one) => one["key"] === key && one["is_certain"]);
    rows.set(key, positionRow(row, known, marks.of(known), pnl["markets"][key], isBroken));
  }
  dirty.clear();
  const open = [...rows.values()].filter((row) => row.count).sort((one, other) => other.cost - one.cost);
  marks.want([...new Set(open.map((row) => row.ticker))]);
}

function show() {
  remake();
  const now = desk.clock.now();
  const open = [...rows.values()].filter((row) => row.count);
  const sum = sumRows(open);
  const balance = topic("balance")?.value ?? null;
  const status = topic("status", environment);
  const isLive = status?.value?.["feed"] === "live" && desk.socket.link.state === "live";
  const found = figuresOf(balance, pnl, sum.unrealised, new Set(open.map((row) => String(row.subaccount))));
  showFigures(root, found, pnl, { now, unmarked: sum.unmarked, isLive });
  addPoint(found);

  const isKnown = positions.isFresh;
  view.showExposure(root, groupRows(open, by, new Set()), { isKnown });
  view.showWorking(root, workingOf(rowsOf("orders"), look), { isKnown: Boolean(topic("orders")?.isFresh) });
  view.showRequests(root, requestsOf(rowsOf("rfqs"), look), { isKnown: Boolean(topic("rfqs")?.isFresh) });
  const openQuotes = rowsOf("quotes").filter((row) => row["is_open"]).length;
  view.showWindows(root, windowsOf(rowsOf("confirms"), look, now), openQuotes);
  const happened = {
    fills: rowsOf("fills"),
    orders: rowsOf("orders"),
    rfqs: rowsOf("rfqs"),
    confirms: rowsOf("confirms"),
  };
  view.showHappened(root, happenedOf(happened, look, 30), {
    now,
    zone: desk.data.time_zone,
    isKnown: Boolean(topic("fills")?.isFresh),
  });
  const { state: link, since } = desk.socket.link;
  const feedFacts = { link, isFresh: status?.isFresh ?? false, seenMs: Date.now() - since, nowMs: now };
  const sources = healthOf({
    exchange: exchangeWords(status?.value ?? { exchange_active: null, trading_active: null, resume_at: null }, now),
    feed: feedWords(status?.value ?? null, feedFacts),
    cashMs: found.seenMs,
    breaks: pnl["breaks"].filter((/** @type {Row} */ one) => one["is_certain"]).length,
    trading: topic("trading")?.value ?? null,
    tokens: topic("limits")?.value ?? null,
    more: standing.health,
    now,
  });
  view.showHealth(root, sources);
  view.showLimits(root, standing.limits, topic("limits")?.value ?? null);
  view.showSteps(root, standing.steps);
}

/** @param {import("../portfolio/figures-model.js").Figures} found */
function addPoint(found) {
  const at = performance.now();
  if (found.equity === null || found.seenMs === null || at - pointAt < POINT_MS) return;
  pointAt = at;
  chart.add(found.seenMs, found.equity);
  points += 1;
  noteCurve();
}

/* --- start ------------------------------------------------------------------------------------ */

for (const button of root.querySelectorAll("[data-span]"))
  button.addEventListener("click", () => {
    span = button.getAttribute("data-span") ?? "1d";
    for (const one of root.querySelectorAll("[data-span]")) one.setAttribute("aria-pressed", String(one === button));
    void readEquity();
  });
for (const button of root.querySelectorAll("[data-by]"))
  button.addEventListener("click", () => {
    by = button.getAttribute("data-by") ?? "event";
    for (const one of root.querySelectorAll("[data-by]")) one.setAttribute("aria-pressed", String(one === button));
    show();
  });

watchFeed(root, environment);
void readEquity();
show();
setInterval(() => {
  if (!document.hidden) show();
}, SHOW_MS);
setInterval(() => void readStanding(), READ_MS);
setInterval(() => void readFactsOf(), 2_000);
