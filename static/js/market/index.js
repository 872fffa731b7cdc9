/** The Market page: joins the live topics with ladder, chart, tape, ticket, orders and position. */
import { feedState, formatAge } from "../core/age.js";
import { formatCountdown } from "../core/clock.js";
import { DOLLAR, formatCount, formatMoney, formatPrice, fromUnits, toUnits } from "../core/fixed.js";
import { desk } from "../frame/desk.js";
import { announce, notice, toast } from "../frame/toasts.js";
import { createMarketChart } from "./chart.js";
import { finestStep, gridPrices, tickWords } from "./grid.js";
import { gateWords, pauseWords, statusWords } from "./gate.js";
import { groupsFrom } from "../orders/group-model.js";
import { createLadderDesk } from "./ladder-desk.js";
import { createLadderGroups } from "./ladder-groups.js";
import { sideBook } from "./ladder-model.js";
import { createOrderNotices } from "./order-notices.js";
import { createOrdersTable, tabOf } from "./orders-table.js";
import { placePopovers } from "./popovers.js";
import { priceLines } from "./price-lines.js";
import { positionView } from "./position-model.js";
import { createTape } from "./tape.js";
import { createTicket } from "./ticket.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='market']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const { ticker = "", environment = "", zone = "UTC", account = "", subaccount = "0" } = root.dataset;
const PENDING = ["committed", "sending", "unknown"];
const ABSENT_MS = 3_000;
const canTrade = root.dataset.canTrade === "yes";
let ranges = JSON.parse(document.getElementById("market-price-ranges")?.textContent ?? "[]");
const prices = gridPrices(ranges);
const resumeTime = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
const look = { step: finestStep(ranges), format: desk.data.price_format, zone };

/** @type {import("./ladder-model.js").BookFrame & {state?: string, why?: string, recv_ms?: number}} */
let book = { yes: [], no: [] };
let isBookFresh = false;
/** @type {import("./tape.js").Trade[]} */
let trades = [];
/** @type {Record<string, any>[]} */
let orders = [];
/** @type {import("./position-model.js").PositionRow | null} */
let position = null;
let isListFresh = false;
let absentTimer = 0;
let feedReason = "";
let pauseReason = "";
let marketStatus = root.dataset.marketStatus ?? "";
let marketResult = root.dataset.marketResult ?? "";
let settlementValue = root.dataset.settlementValue ?? "";
let closeMs = Number(root.dataset.closeMs ?? "");
let exchange = {
  exchange_active: /** @type {boolean | null} */ (null),
  trading_active: /** @type {boolean | null} */ (null),
  resume_at: /** @type {string | null} */ (null),
  hours_open: /** @type {boolean | null} */ (null),
  hours_text: "",
};

const tape = createTape(/** @type {HTMLTableSectionElement} */ (find("[data-tape]")), { look, limit: 60 });
const chart = createMarketChart(find("[data-chart]"), look);
const form = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-ticket]"));
const base = account ? { ticker, account_id: Number(account), subaccount: Number(subaccount) } : { ticker };
const ticket = form
  ? createTicket(form, { live: desk.socket, base, prices, person: root.dataset.person ?? "", ...look })
  : null;
const notices = createOrderNotices({ toast, announce, notice, look });
const groupLine = /** @type {HTMLElement | null} */ (root.querySelector("[data-ladder-groups]"));
const ladderGroups =
  groupLine && account && desk.may("order.place")
    ? createLadderGroups(groupLine, {
        account,
        subaccount: Number(subaccount),
        now: desk.clock.now,
        storage: sessionStorage,
      })
    : null;
const ladderDesk = createLadderDesk(find(".market__ladder"), {
  prices,
  look,
  base,
  person: root.dataset.person ?? "",
  environment,
  live: desk.socket,
  keys: desk.keys,
  canTrade: canTrade && desk.may("order.place"),
  canCancel: desk.may("order.cancel"),
  groups: ladderGroups,
  position: held,
  fillTicket: (wanted) => ticket?.fill(wanted.side, wanted.price),
  cancel: (own) => desk.may("order.cancel") && own.forEach((order) => cancel(order.id)),
  amend: (own, price) => own.forEach((order) => amend(order.id, price)),
  onSent: (key) => notices.track(key),
  onView() {
    find("[data-view-name]").textContent = ladder.view.toUpperCase();
    ladder.show(book);
    showTrades();
  },
  toast,
  announce,
});
const { ladder } = ladderDesk;
placePopovers(root);
const table = createOrdersTable(find(".market__orders"), {
  look,
  canCancel: desk.may("order.cancel"),
  onCancel: (row) => cancel(row.order_id),
  onCancelAll: cancelAll,
});

/** Contracts held here, positive for YES; 1/100. */
function held() {
  return position ? toUnits(position.position, 2) : 0;
}

/** @param {string} orderId */
async function cancel(orderId) {
  const answer = await desk.socket.command("order.cancel", { order_id: orderId, idempotency_key: crypto.randomUUID() });
  if (answer.kind === "error") toast({ title: "Not cancelled", text: answer.text, level: "danger" });
  if (answer.kind === "unknown") {
    toast({ title: "Cancel sent, answer lost", text: "The list shows what becomes of it.", level: "warning" });
  }
}

/**
 * Move an order to another price. Its total stays what it is, so that a fill in between makes it no larger.
 * @param {string} orderId
 * @param {number} units price on the YES leg
 */
async function amend(orderId, units) {
  const row = orders.find((each) => each.order_id === orderId);
  if (!row) return;
  // Not what it began with: a decrease leaves that as it is, and the order would grow back.
  const inAll = fromUnits(toUnits(row.filled, 2) + toUnits(row.remaining, 2), 2);
  const answer = await desk.socket.command("order.amend", {
    idempotency_key: crypto.randomUUID(),
    order_id: orderId,
    price: fromUnits(units, 4),
    count: inAll,
    seen: { price: row.price, count: inAll, filled: row.filled },
  });
  if (answer.kind === "ok") announce(`Moving the order to ${formatPrice(units, look)} YES.`);
  if (answer.kind === "error") toast({ title: "Not moved", text: answer.text, level: "danger" });
  if (answer.kind === "unknown") {
    toast({ title: "Change not confirmed", text: "It is not sent again. The list shows the order.", level: "warning" });
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
  }
});

desk.topics.watch(`market:${environment}:${ticker}`, (state) => {
  const facts = state.value;
  if (!facts?.status) return;
  marketStatus = facts.status;
  marketResult = facts.result;
  settlementValue = facts.settlement_value ?? "";
  closeMs = facts.close_ms ?? 0;
  find("[data-status]").textContent = statusWords(marketStatus);
  if (JSON.stringify(facts.price_ranges) !== JSON.stringify(ranges) && facts.price_ranges.length)
    regrid(facts.price_ranges);
  showClose();
  showGate();
});

/** @param {{start: string, end: string, step: string}[]} next */
function regrid(next) {
  ranges = next;
  const grid = gridPrices(ranges);
  look.step = finestStep(ranges);
  find("[data-tick]").textContent = tickWords(ranges);
  ladderDesk.regrid(grid);
  ticket?.regrid(grid, look.step);
  table.draw();
  showTrades();
  announce(`The price steps of this market changed: ${tickWords(ranges)}.`);
}

desk.topics.watch(`status:${environment}`, (state) => {
  if (state.value) exchange = state.value;
  showGate();
});

if (account) {
  desk.topics.watch(`orders:${account}`, (state) => {
    showGroups();
    orders = state.rows.values().filter((row) => row.ticker === ticker && row.subaccount === Number(subaccount));
    showOrders();
    notices.showOrders(orders);
    ticket?.settle(new Set(orders.map((row) => row.idempotency_key)));
    isListFresh = state.isFresh;
    awaitAttempt();
  });
  desk.topics.watch(`groups:${account}`, showGroups);
  desk.topics.watch(`trading:${account}`, (state) => {
    pauseReason = pauseWords(state.value, root.dataset.person ?? "");
    showGate();
  });
  desk.topics.watch(`fills:${account}`, (state) => {
    const fills = state.rows.values().filter((row) => row.ticker === ticker && row.subaccount === Number(subaccount));
    table.showFills(fills);
    if (state.isFresh) notices.showFills(fills);
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
    ticket?.hold(held());
    showPosition();
  });
}

/** A lost answer whose order is not in the list, fresh for a while, never arrived. However much else the list tells. */
function awaitAttempt() {
  if (!isListFresh || !ticket?.isUnknown) {
    clearTimeout(absentTimer);
    absentTimer = 0;
  } else if (!absentTimer) {
    absentTimer = window.setTimeout(() => {
      absentTimer = 0;
      ticket.settleAbsent();
    }, ABSENT_MS);
  }
}

/* --- drawing ------------------------------------------------------------------------------- */

function showGroups() {
  const state = desk.topics.peek(`groups:${account}`);
  if (!state || state.version < 0) return;
  const groups = groupsFrom(state.rows.values(), desk.topics.peek(`orders:${account}`)?.rows.values() ?? null);
  ladderGroups?.show(groups);
  ticket?.showGroups(groups, Number(subaccount));
}

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
      queue: typeof row.queue === "string" ? toUnits(row.queue, 2) : null,
      isChanging: [row.cancel, row.change].some((state) => PENDING.includes(state)),
    })),
  );
  chart.setOrders(priceLines(working));
}

function showTrades() {
  const { view } = ladder;
  tape.show(trades, view);
  find("[data-tape-empty]").hidden = trades.length > 0;
  const seen = (/** @type {string} */ price) => (view === "yes" ? toUnits(price, 4) : DOLLAR - toUnits(price, 4));
  const newest = trades[0];
  ladder.showTrades(
    newest ? { price: seen(newest.price), count: toUnits(newest.count, 2) } : null,
    trades.slice(0, 20).map((trade) => ({ price: seen(trade.price), side: trade.side })),
  );
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
  ladder.showAverage(shown.average === null || shown.side === "yes" ? shown.average : DOLLAR - shown.average);
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
  feedReason = state === "live" ? "" : text;
  const label = find("[data-feed-age]");
  const changed = book.recv_ms ? `changed ${formatAge(desk.clock.now() - book.recv_ms)} ago` : "waiting for the book";
  const words = state === "live" ? changed : (text.split(":")[0] ?? text);
  if (label.textContent !== words) label.textContent = words;
  showGate();
}

function showGate() {
  const { reason, next } = gateWords({
    isLinked: desk.socket.link.state === "live",
    feed: root.dataset.feed ?? "down",
    feedWords: feedReason,
    pause: pauseReason,
    exchangeActive: exchange.exchange_active,
    tradingActive: exchange.trading_active,
    closed: exchange.hours_open === false ? (exchange.hours_text ?? "") : "",
    resume: exchange.resume_at ? resumeTime.format(new Date(exchange.resume_at)) : "",
    status: marketStatus,
    result: marketResult,
    settlementValue,
    closeMs,
    nowMs: desk.clock.now(),
  });
  ticket?.block(reason);
  ladderDesk.block(reason);
  const why = find("[data-why]");
  const words = reason ? `${reason}. ${canTrade ? next : ""}`.trim() : "";
  why.hidden = words === "";
  if (why.textContent !== words) why.textContent = words;
}

/* --- controls ------------------------------------------------------------------------------ */

for (const line of root.querySelectorAll("[data-siblings] tr[data-ticker]")) {
  line.addEventListener("click", (event) => {
    if (!(/** @type {HTMLElement} */ (event.target).closest("a"))) line.querySelector("a")?.click();
  });
}

const current = /** @type {HTMLElement | null} */ (root.querySelector("[data-siblings] [aria-current]"));
if (current) {
  // In a long list the market itself is in sight.
  const list = find(".market__siblings");
  list.scrollTop = current.offsetTop + current.offsetHeight / 2 - list.clientHeight / 2;
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

function showClose() {
  if (!closeMs) return;
  const left = closeMs - desk.clock.now();
  const place = find("[data-countdown]");
  const words = left > 0 ? `in ${formatCountdown(left)}` : "closed";
  if (place.textContent !== words) place.textContent = words;
  place.title = `${new Date(closeMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

setInterval(() => {
  showFeed();
  showClose();
}, 1_000);

if (ticket) {
  const group = "Order ticket";
  desk.keys.register({ keys: "T", label: "Go to the order ticket", group, run: ticket.focus });
  // Letters that no number has, so that they work where the numbers are typed.
  for (const [keys, label, run] of /** @type {[string, string, () => void][]} */ ([
    ["Y", "In price or contracts: buy YES", () => ticket.side("buy_yes")],
    ["N", "In price or contracts: buy NO", () => ticket.side("buy_no")],
    ["S", "In price or contracts: sell what is held", () => ticket.side("sell")],
    ["U", "In price or contracts: enter a cost instead of contracts, or back", ticket.switchUnit],
  ])) {
    desk.keys.register({ keys, label, group, whileTyping: true, when: ticket.isTyping, run });
  }
  desk.keys.register({ keys: "Enter", label: "Send the order as shown", group, when: () => false, run: () => {} });
}
form?.addEventListener("ticket:unknown", awaitAttempt);
form?.addEventListener("ticket:placed", (event) => {
  notices.track(/** @type {CustomEvent} */ (event).detail?.intent?.idempotency_key ?? "");
  notices.showOrders(orders);
});
desk.socket.onLink((link) => {
  showFeed();
  if (link.state === "closed") ticket?.signedOut(link.why);
});
loadCandles();
