/** The Event page: outcomes side by side with live prices, what they add up to, and their chances over time. */
import { formatCountdown } from "../core/clock.js";
import { formatCount, formatFixed, formatPrice } from "../core/fixed.js";
import { desk } from "../frame/desk.js";
import { element, setAttribute, setText } from "../frame/dom.js";
import { createChancesChart } from "./event-chart.js";
import { chanceTwice, setMark, setPrices } from "./event-model.js";
import { watchFeed, watchPositions, watchTickers } from "./live.js";
import { changeOf, countUnits, priceUnits, statusWords } from "./row-model.js";

/** @typedef {import("./event-model.js").Outcome & {previous: number | null, step: number, volume: number | null,
 *   openInterest: number | null}} LiveOutcome */

const TINT_MS = 400;
const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='event']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (root.querySelector(selector));
const { environment = "", account = "", subaccount = "0", zone = "UTC" } = root.dataset;
const isExclusive = root.dataset["exclusive"] === "yes";
const format = desk.data.price_format;

/** @type {Map<string, {line: HTMLElement, outcome: LiveOutcome}>} */
const outcomes = new Map();
for (const line of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-outcomes] tr[data-ticker]"))) {
  const { ticker = "", bid, ask, last, previous, bidSize, askSize, status = "", result = "", step } = line.dataset;
  outcomes.set(ticker, {
    line,
    outcome: {
      bid: priceUnits(bid),
      ask: priceUnits(ask),
      last: priceUnits(last) || null,
      previous: priceUnits(previous) || null,
      bidSize: countUnits(bidSize),
      askSize: countUnits(askSize),
      step: priceUnits(step) ?? 100,
      volume: null,
      openInterest: null,
      status,
      result,
    },
  });
}

/* --- live ------------------------------------------------------------------------------------ */

const { positionOf } = watchPositions(account, subaccount, (tickers) => tickers.forEach(showPosition));
const { rowOf } = watchTickers(environment, (tickers) => {
  let isOurs = false;
  for (const ticker of tickers) isOurs = takeLive(ticker) || isOurs;
  if (isOurs) showSums();
});

/** @param {string} ticker @returns {boolean} whether it is one of ours */
function takeLive(ticker) {
  const entry = outcomes.get(ticker);
  const live = rowOf(ticker);
  if (!entry || !live) return false;
  entry.outcome = {
    ...entry.outcome,
    bid: priceUnits(live["bid"]),
    ask: priceUnits(live["ask"]),
    bidSize: countUnits(live["bid_size"]),
    askSize: countUnits(live["ask_size"]),
    last: priceUnits(live["last"]) ?? entry.outcome.last,
    volume: countUnits(live["volume"]),
    openInterest: countUnits(live["open_interest"]),
    status: live["status"] ?? entry.outcome.status,
  };
  showOutcome(entry);
  return true;
}

/* --- drawing --------------------------------------------------------------------------------- */

/** Write a cell; a changed figure tints for a moment. @param {HTMLElement} line @param {string} name @param {string} text @param {boolean} [isQuiet] */
function write(line, name, text, isQuiet = false) {
  const cell = line.querySelector(`[data-cell="${name}"]`);
  if (!cell || cell.textContent === text) return cell;
  cell.textContent = text;
  if (!isQuiet) {
    cell.classList.add("is-changed");
    setTimeout(() => cell.classList.remove("is-changed"), TINT_MS);
  }
  return cell;
}

/** @param {{line: HTMLElement, outcome: LiveOutcome}} entry */
function showOutcome({ line, outcome }) {
  const step = Math.min(10, outcome.step);
  const price = (/** @type {number | null} */ units) =>
    units === null ? "-" : formatPrice(units, { format, step, unit: false });
  const count = (/** @type {number | null} */ units) => (units === null ? "-" : formatCount(units));
  const twice = chanceTwice(outcome);
  write(line, "chance", twice === null ? "-" : percentOfTwice(twice), true);
  const bar = /** @type {HTMLProgressElement | null} */ (line.querySelector("progress"));
  if (bar) bar.value = twice === null ? 0 : twice / 2;
  write(line, "bid", price(outcome.bid));
  write(line, "ask", price(outcome.ask));
  write(line, "bid_size", count(outcome.bid === null ? null : outcome.bidSize), true);
  write(line, "ask_size", count(outcome.ask === null ? null : outcome.askSize), true);
  write(line, "last", price(outcome.last));
  const change = changeOf(outcome);
  const cell = write(line, "change", change === null ? "-" : `${change > 0 ? "+" : ""}${price(change)}`, true);
  cell?.classList.toggle("is-bid", (change ?? 0) > 0);
  cell?.classList.toggle("is-ask", (change ?? 0) < 0);
  if (outcome.volume !== null) write(line, "volume", formatFixed(outcome.volume, 2, 0), true);
  if (outcome.openInterest !== null) write(line, "open_interest", formatFixed(outcome.openInterest, 2, 0), true);
  const over = outcome.result ? `: ${outcome.result.toUpperCase()}` : "";
  write(line, "status", statusWords(outcome.status) + over, true);
}

/** Twice the units of a chance as percent with one decimal. @param {number} twice */
function percentOfTwice(twice) {
  return `${formatFixed(Math.round(twice / 2), 2, 1)}%`;
}

/** @param {string} ticker */
function showPosition(ticker) {
  const line = outcomes.get(ticker)?.line;
  if (!line) return;
  const position = positionOf(ticker);
  const cell = write(line, "position", position === null ? "-" : `${position > 0 ? "+" : ""}${formatCount(position)}`);
  cell?.classList.toggle("is-bid", (position ?? 0) > 0);
  cell?.classList.toggle("is-ask", (position ?? 0) < 0);
}

function showSums() {
  const all = [...outcomes.values()].map(({ outcome }) => outcome);
  const mark = setMark(all, isExclusive);
  const box = find("[data-mark]");
  if (box) {
    box.hidden = mark === null;
    setText(find("[data-mark-title]"), mark?.title ?? "");
    setText(find("[data-mark-text]"), mark?.text ?? "");
  }
  const line = find("[data-sums]");
  if (!line) return;
  // Sums above a dollar have no odds, so they are always in cents.
  const cents = (/** @type {number | null} */ units) => (units === null ? "-" : formatFixed(units, 2, 1));
  const { bids, asks, chancesTwice } = setPrices(all);
  setText(line.querySelector("[data-sum=bids]"), cents(bids));
  setText(line.querySelector("[data-sum=asks]"), cents(asks));
  setText(line.querySelector("[data-sum=chances]"), chancesTwice === null ? "-" : percentOfTwice(chancesTwice));
  setAttribute(line, "data-mispriced", mark?.side ?? "");
}

for (const entry of outcomes.values()) showOutcome(entry);
showSums();

/* --- chances over time ------------------------------------------------------------------------ */

const COLORS = ["--line-1", "--line-2", "--line-3", "--line-4", "--line-5", "--line-6"].slice(
  0,
  Number(root.dataset["chartLines"] ?? 6),
);
const charted = [...outcomes.values()]
  .map(({ line }) => line)
  .filter((line) => line.dataset["candlesUrl"])
  .slice(0, COLORS.length);
const legend = find("[data-legend]");
charted.forEach((line, index) => {
  line.dataset["line"] = String(index + 1);
  const key = element("li", { attributes: { "data-line": String(index + 1) } });
  key.append(
    element("i", { class: "event__key", attributes: { "aria-hidden": "true" } }),
    line.querySelector("th a")?.textContent ?? "",
  );
  legend?.append(key);
});
const canvas = find("[data-chart]");
const chart =
  canvas && charted.length ? createChancesChart(canvas, { zone, colors: COLORS.slice(0, charted.length) }) : null;
let period = 60;

async function loadChances() {
  const wanted = period;
  const note = find("[data-chart-note]");
  if (!chart || !note) return;
  const answers = await Promise.allSettled(charted.map((line) => candlesOf(line.dataset["candlesUrl"] ?? "", wanted)));
  if (wanted !== period) return;
  const isSeen = chart.show(answers.map((one) => (one.status === "fulfilled" ? one.value : [])));
  const failed = answers.filter((one) => one.status === "rejected");
  const reason = failed[0]?.status === "rejected" && failed[0].reason instanceof Error ? failed[0].reason.message : "";
  const more = outcomes.size > charted.length ? `The ${charted.length} likeliest of ${outcomes.size} outcomes.` : "";
  if (failed.length) setText(note, `Prices of ${failed.length} outcomes are missing: ${reason}`);
  else setText(note, isSeen ? more : "No price in this period yet.");
  note.hidden = note.textContent === "";
  note.classList.toggle("event__chart-note--over", !isSeen);
}

/** @param {string} url @param {number} minutes */
async function candlesOf(url, minutes) {
  const response = await fetch(`${url}?period=${minutes}`, { headers: { Accept: "application/json" } });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The desk answered ${response.status}.`);
  return body.candles;
}

const periods = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-period]"));
for (const button of periods) {
  button.addEventListener("click", () => {
    period = Number(button.dataset["period"]);
    periods.forEach((other) => other.setAttribute("aria-current", String(other === button)));
    void loadChances();
  });
}

/* --- clock and rows ---------------------------------------------------------------------------- */

const countdown = find("[data-countdown]");
setInterval(() => {
  if (!countdown) return;
  const left = Number(countdown.dataset["countdown"]) - desk.clock.now();
  setText(countdown, left > 0 ? `in ${formatCountdown(left)}` : "closed");
}, 1_000);

for (const { line } of outcomes.values()) {
  line.addEventListener("click", (event) => {
    if (!(/** @type {Element} */ (event.target).closest("a"))) line.querySelector("a")?.click();
  });
}
watchFeed(root, environment);
void loadChances();
