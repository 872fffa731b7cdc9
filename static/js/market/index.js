/** The Market page: joins the live topics with ladder, chart, tape, ticket, orders and position. */
import { feedState, formatAge } from "../core/age.js";
import { formatCountdown } from "../core/clock.js";
import { DOLLAR, formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";
import { desk } from "../frame/desk.js";
import { toast } from "../frame/toasts.js";
import { createMarketChart } from "./chart.js";
import { finestStep, gridPrices } from "./grid.js";
import { createLadder } from "./ladder-view.js";
import { sideBook } from "./ladder-model.js";
import { createOrdersTable, tabOf } from "./orders-table.js";
import { positionView } from "./position-model.js";
import { createTape } from "./tape.js";
import { createTicket } from "./ticket.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='market']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const { ticker = "", environment = "", zone = "UTC", account = "", subaccount = "0", closeMs = "" } = root.dataset;
const canTrade = root.dataset.canTrade === "yes";
const ranges = JSON.parse(document.getElementById("market-price-ranges")?.textContent ?? "[]");
const prices = gridPrices(ranges);
const look = { step: finestStep(ranges), format: desk.data.price_format, zone };

/** @type {"yes" | "no"} */
let view = "yes";
/** @type {import("./ladder-model.js").BookFrame & {state?: string, why?: string, recv_ms?: number}} */
let book = { yes: [], no: [] };
let isBookFresh = false;
/** @type {import("./tape.js").Trade[]} */
let trades = [];
/** @type {Record<string, any>[]} */
let orders = [];
/** @type {import("./position-model.js").PositionRow | null} */
let position = null;
let feedReason = "";
let marketStatus = find("[data-status]").textContent ?? "";
let exchange = {
  exchange_active: /** @type {boolean | null} */ (null),
  trading_active: /** @type {boolean | null} */ (null),
};

const ladder = createLadder(find("[data-ladder]"), {
  prices,
  ...look,
  onPick: pick,
  onCancel: (own) => own.forEach((order) => cancel(order.id)),
});
const tape = createTape(/** @type {HTMLTableSectionElement} */ (find("[data-tape]")), { ...look, limit: 60 });
const chart = createMarketChart(find("[data-chart]"), look);
const form = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-ticket]"));
const ticket = form ? createTicket(form, { live: desk.socket, ticker, prices, ...look }) : null;
const table = createOrdersTable(find(".market__orders"), {
  ...look,
  canCancel: desk.may("order.cancel"),
  onCancel: (row) => cancel(row.order_id),
  onCancelAll: cancelAll,
});

/** @param {number} price @param {"bid" | "ask"} column */
function pick(price, column) {
  if (!ticket) return;
  // A click fills the ticket and sends nothing: the bid column joins the bids, the ask column sells.
  const side = column === "bid" ? (view === "yes" ? "buy_yes" : "buy_no") : view === "yes" ? "sell_yes" : "sell_no";
  const holds = position ? toUnits(position.position, 2) : 0;
  const holdsThis = view === "yes" ? holds > 0 : holds < 0;
  if (side.startsWith("sell") && !holdsThis) {
    // Without contracts to sell, taking the other side of the same price is buying the other outcome.
    ticket.fill(view === "yes" ? "buy_no" : "buy_yes", DOLLAR - price);
    return;
  }
  ticket.fill(/** @type {import("./ticket-model.js").TicketSide} */ (side), price);
}

/** @param {string} orderId */
async function cancel(orderId) {
  const answer = await desk.socket.command("order.cancel", { order_id: orderId, idempotency_key: crypto.randomUUID() });
  if (answer.kind === "error") toast({ title: "Not cancelled", text: answer.text, level: "danger" });
  if (answer.kind === "unknown") {
    toast({ title: "Cancel sent, answer lost", text: "The list shows what becomes of it.", level: "warning" });
  }
}

/** @param {Record<string, any>[]} rows */
async function cancelAll(rows) {
  const words = rows.length === 1 ? "the one working order" : `all ${rows.length} working orders`;
  if (!window.confirm(`Cancel ${words} in ${ticker}? Orders in other markets stay.`)) return;
  const answer = await desk.socket.command("order.cancel_market", { ticker, idempotency_key: crypto.randomUUID() });
  if (answer.kind === "error") toast({ title: "Not cancelled", text: answer.text, level: "danger" });
}

/* --- live topics --------------------------------------------------------------------------- */

desk.topics.watch(`book:${environment}:${ticker}`, (state) => {
  isBookFresh = state.isFresh;
  if (state.value && state.value !== book) {
    book = state.value;
    ladder.show(book);
    showPosition();
  }
  showFeed();
});

desk.topics.watch(`tape:${environment}:${ticker}`, (state) => {
  const next = state.value?.trades ?? [];
  const known = new Set(trades.map((trade) => trade.id));
  const isFirst = trades.length === 0;
  const fresh = next.filter((/** @type {import("./tape.js").Trade} */ trade) => !known.has(trade.id));
  trades = next;
  if (!isFirst) [...fresh].reverse().forEach((trade) => chart.addTrade(trade));
  showTrades();
});

desk.topics.watch(`tickers:${environment}`, (state) => {
  for (const line of root.querySelectorAll("[data-siblings] tr[data-ticker]")) {
    const row = state.rows.get(/** @type {HTMLElement} */ (line).dataset.ticker ?? "");
    if (row) showSibling(/** @type {HTMLElement} */ (line), row);
  }
  const own = state.rows.get(ticker);
  if (own) {
    find("[data-volume]").textContent = own.volume === null ? "-" : formatCount(toUnits(own.volume, 2));
    find("[data-open-interest]").textContent =
      own.open_interest === null ? "-" : formatCount(toUnits(own.open_interest, 2));
    if (own.status && own.status !== marketStatus) {
      marketStatus = own.status;
      find("[data-status]").textContent = statusWords(own.status);
      showGate();
    }
  }
});

desk.topics.watch(`status:${environment}`, (state) => {
  if (state.value) exchange = state.value;
  showGate();
});

if (account) {
  desk.topics.watch(`orders:${account}`, (state) => {
    orders = state.rows.values().filter((row) => row.ticker === ticker && row.subaccount === Number(subaccount));
    showOrders();
    ticket?.settle(new Set(orders.map((row) => row.idempotency_key)));
    if (state.isFresh) scheduleAbsent();
  });
  desk.topics.watch(`fills:${account}`, (state) => {
    const fills = state.rows.values().filter((row) => row.ticker === ticker && row.subaccount === Number(subaccount));
    table.showFills(fills);
    chart.setFills(
      fills.map((row) => ({
        time: row.traded_ms / 1000,
        isBuy: row.book_side === "bid",
        count: toUnits(row.count, 2),
      })),
    );
  });
  desk.topics.watch(`positions:${account}`, (state) => {
    position = /** @type {any} */ (state.rows.get(`${subaccount}:${ticker}`)) ?? null;
    showPosition();
  });
}

/** A lost answer whose order is in no list a while after the list was read again never arrived. */
let absentTimer = 0;
function scheduleAbsent() {
  clearTimeout(absentTimer);
  absentTimer = window.setTimeout(() => ticket?.settleAbsent(), 3_000);
}

/* --- drawing ------------------------------------------------------------------------------- */

function showOrders() {
  table.showOrders(orders);
  const working = orders.filter((row) => tabOf(row) === "working" && row.order_id);
  ladder.showOwn(
    working.map((row) => ({
      id: row.order_id,
      side: row.book_side,
      price: toUnits(row.price, 4),
      remaining: toUnits(row.remaining, 2),
      state: row.state,
    })),
  );
  chart.setOrders(
    working.map((row) => ({
      key: row.key,
      price: row.price,
      label: `${row.outcome_side === "yes" ? "Buy YES" : "Buy NO"} ${formatCount(toUnits(row.remaining, 2))}`,
      isBuy: row.book_side === "bid",
    })),
  );
}

function showTrades() {
  tape.show(trades, view);
  find("[data-tape-empty]").hidden = trades.length > 0;
  const newest = trades[0];
  if (!newest) return ladder.showLast(null);
  const units = toUnits(newest.price, 4);
  return ladder.showLast({ price: view === "yes" ? units : DOLLAR - units, count: toUnits(newest.count, 2) });
}

/** @param {HTMLElement} line @param {Record<string, any>} row */
function showSibling(line, row) {
  const set = (/** @type {string} */ name, /** @type {string | null} */ raw) => {
    const cell = line.querySelector(`[data-cell="${name}"]`);
    const text = raw === null ? "-" : formatPrice(toUnits(raw, 4), { ...look, step: 10, unit: false });
    if (cell && cell.textContent !== text) cell.textContent = text;
  };
  set("bid", row.bid);
  set("ask", row.ask);
  const day = /** @type {HTMLElement | null} */ (line.querySelector("[data-cell='day']"));
  if (day?.dataset.previous && row.last !== null) {
    const change = toUnits(row.last, 4) - toUnits(day.dataset.previous, 4);
    const text = `${change > 0 ? "+" : ""}${formatPrice(change, { step: 10, unit: false })}`;
    if (day.textContent !== text) day.textContent = change ? text : "0.0";
    day.classList.toggle("is-bid", change > 0);
    day.classList.toggle("is-ask", change < 0);
  }
}

function showPosition() {
  const shown = positionView(position, sideBook(book, "yes"));
  const set = (/** @type {string} */ name, /** @type {string} */ text, tone = 0) => {
    const cell = root.querySelector(`[data-field="${name}"]`);
    if (!cell) return;
    cell.textContent = text;
    cell.classList.toggle("is-bid", tone > 0);
    cell.classList.toggle("is-ask", tone < 0);
  };
  const money = (/** @type {string} */ name, /** @type {number | null} */ units) =>
    units === null ? set(name, "-") : set(name, formatMoney(units, { signed: true }), units);
  const price = (/** @type {number | null} */ units) =>
    units === null ? "-" : formatPrice(units, { ...look, step: 10 });
  set("average", price(shown.average));
  set("mark", price(shown.mark));
  money("unrealised", shown.unrealised);
  money("realised", shown.realised);
  set("fees", formatMoney(shown.fees));
  money("if_yes", shown.ifYes);
  money("if_no", shown.ifNo);
  const badge = find("[data-position-badge]");
  badge.textContent = shown.side === "flat" ? "flat" : `long ${shown.side.toUpperCase()} ${formatCount(shown.count)}`;
  badge.className = `badge badge--${shown.side === "flat" ? "muted" : shown.side}`;
}

function showFeed() {
  const { state, text } = feedState({
    link: desk.socket.link.state,
    isFresh: isBookFresh,
    state: /** @type {import("../core/age.js").FeedState | undefined} */ (book.state),
    why: book.why,
    seenMs: Date.now() - desk.socket.link.since,
  });
  if (root.dataset.feed !== state) root.dataset.feed = state;
  feedReason = state === "live" ? "" : `The book is not live (${text})`;
  const label = find("[data-feed-age]");
  const changed = book.recv_ms ? `changed ${formatAge(desk.clock.now() - book.recv_ms)} ago` : "waiting for the book";
  const words = state === "live" ? changed : (text.split(":")[0] ?? text);
  if (label.textContent !== words) label.textContent = words;
  showGate();
}

/** Why no order can be sent now, in words; "" when one can. */
function gateReason() {
  if (root.dataset.feed !== "live") return feedReason || "The book is not live";
  if (exchange.exchange_active === false) return "The exchange is closed";
  if (exchange.trading_active === false) return "Trading is paused";
  if (closeMs && desk.clock.now() >= Number(closeMs)) return "The market has closed";
  if (marketStatus !== "active" && marketStatus !== "open") return `The market is ${statusWords(marketStatus)}`;
  return "";
}

function showGate() {
  const reason = gateReason();
  ticket?.block(reason);
  const why = find("[data-why]");
  const words = reason && canTrade ? `${reason}. Orders wait until that changes; cancels still go.` : "";
  why.hidden = words === "";
  if (why.textContent !== words) why.textContent = words;
}

/** @param {string} status */
function statusWords(status) {
  return status === "active" ? "open" : status.replaceAll("_", " ");
}

/* --- controls ------------------------------------------------------------------------------ */

for (const button of root.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    view = /** @type {HTMLElement} */ (button).dataset.view === "no" ? "no" : "yes";
    for (const other of root.querySelectorAll("[data-view]"))
      other.setAttribute("aria-pressed", String(other === button));
    find("[data-view-name]").textContent = view.toUpperCase();
    ladder.setView(view);
    ladder.show(book);
    showTrades();
  });
}

const lock = find("[data-lock]");
lock.addEventListener("click", () => {
  const isLocked = lock.getAttribute("aria-pressed") !== "true";
  lock.setAttribute("aria-pressed", String(isLocked));
  ladder.setLocked(isLocked);
});

for (const line of root.querySelectorAll("[data-siblings] tr[data-ticker]")) {
  line.addEventListener("click", (event) => {
    if (!(/** @type {HTMLElement} */ (event.target).closest("a"))) line.querySelector("a")?.click();
  });
}

let period = Number(root.querySelector("[data-period][aria-current='true']")?.getAttribute("data-period") ?? "60");
for (const button of root.querySelectorAll("[data-period]")) {
  button.addEventListener("click", () => {
    period = Number(/** @type {HTMLElement} */ (button).dataset.period);
    for (const other of root.querySelectorAll("[data-period]"))
      other.setAttribute("aria-current", String(other === button));
    loadCandles();
  });
}

async function loadCandles() {
  const wanted = period;
  const empty = find("[data-chart-empty]");
  try {
    const response = await fetch(`${root.dataset.candlesUrl}?period=${wanted}`, {
      headers: { Accept: "application/json" },
    });
    const body = await response.json();
    if (wanted !== period) return;
    if (!response.ok) throw new Error(body.error ?? "The chart could not be loaded.");
    chart.setCandles(body.candles, wanted * 60);
    empty.hidden = body.candles.some((/** @type {{close: string | null}} */ candle) => candle.close !== null);
    empty.textContent = "No trade in this period yet.";
  } catch (error) {
    empty.hidden = false;
    empty.textContent =
      error instanceof Error && error.message ? error.message : "The chart could not be loaded. Try another period.";
  }
}

setInterval(() => {
  showFeed();
  const left = Number(closeMs) - desk.clock.now();
  if (closeMs) find("[data-countdown]").textContent = left > 0 ? `in ${formatCountdown(left)}` : "closed";
}, 1_000);

desk.socket.onLink(showFeed);
loadCandles();
