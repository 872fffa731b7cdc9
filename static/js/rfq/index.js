/** The RFQ desk: joins the live topics with the list, the quotes, their context and the ticket; starts the maker's side. */
import { feedState } from "../core/age.js";
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { announce, toast } from "../frame/toasts.js";
import { pauseWords } from "../market/gate.js";
import { createAccepts } from "./accept-model.js";
import { createAsk } from "./ask.js";
import { askAuto } from "./auto.js";
import { createBuilder } from "./combo.js";
import { createContext } from "./context.js";
import { createRequestList } from "./list.js";
import { isLive, newsOf, sortRequests } from "./request-model.js";
import { createStack } from "./stack.js";
import { createTeam } from "./team.js";
import { blockWords, titleParts } from "./words.js";

/** @typedef {import("./words.js").Row} Row */

const TICK_MS = 100;
const ABSENT_MS = 3_000;

/**
 * The maker's panel names its own module (data-script); it exports `start(panel, root)`.
 * @param {HTMLElement} page
 */
async function startMaker(page) {
  const panel = /** @type {HTMLElement | null} */ (page.querySelector("[data-maker][data-script]"));
  const address = panel?.dataset["script"];
  if (!panel || !address) return;
  const maker = await import(address);
  maker.start(panel, page);
}

/** @param {HTMLElement} root */
function start(root) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  const { account = "", environment = "", subaccount = "0", person = "", zone = "UTC", searchUrl = "" } = root.dataset;
  const topic = `rfqs:${account}`;
  const canTrade = desk.may("rfq.trade");
  const look = { format: desk.data.price_format, zone };
  const base = { account_id: Number(account), subaccount: Number(subaccount) };
  const now = desk.clock.now;
  /** What each request was a moment ago, to say aloud what has changed. @type {Map<string, Row>} */
  const before = new Map();
  let selected = sessionStorage.getItem(`rfq-selected:${account}`) ?? "";
  let isTicketOpen = false;
  let absentTimer = 0;
  let pause = "";
  /** @type {{feed?: import("../core/age.js").FeedState, exchange_active?: boolean | null, trading_active?: boolean | null} | null} */
  let status = null;

  /** Books that somebody looks at are kept by the gateway: without them no sweep is known. @type {Map<string, {ticker: string, leave: () => void}>} */
  const books = new Map();
  const state = () => desk.topics.peek(topic);
  const rows = () => state()?.rows.values() ?? [];
  const rowOf = (/** @type {string} */ key) => /** @type {Row | undefined} */ (state()?.rows.get(key));
  const prices = () => desk.topics.peek(`tickers:${environment}`)?.rows;
  const command = desk.socket.command;

  const accepts = createAccepts({
    command,
    store: sessionStorage,
    onChange: (key) => {
      if (key === selected) stack.draw();
    },
  });
  const list = createRequestList(find("[data-mine]"), { now, onChoose: choose });
  const stack = createStack(find("[data-card]"), {
    now,
    look,
    canTrade,
    canPull: desk.may("rfq.pull"),
    accepts,
    onClose: closeRequest,
    onAuto: (row) => askAuto(row, { look, command }),
    onPoint: (target) => context.point(target),
  });
  const context = createContext(find("[data-context]"), {
    look,
    person,
    priceOf: (ticker) => prices()?.get(ticker),
    command,
    base,
  });
  const team = createTeam(find("[data-team-part]"), { person, zone, now, command });
  const form = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-ask]"));
  const builder =
    form && canTrade
      ? createBuilder(/** @type {HTMLElement} */ (form.querySelector("[data-combo]")), { live: desk.socket, look })
      : null;
  const ticket =
    form && canTrade
      ? createAsk(form, {
          live: desk.socket,
          base,
          person,
          searchUrl,
          look,
          now,
          builder,
          onSent: sent,
          onMarket: (ticker) => watchBook("ticket", ticker),
        })
      : null;

  /** @param {"ticket" | "request"} who @param {string} ticker */
  function watchBook(who, ticker) {
    const before = books.get(who);
    if (before?.ticker === ticker) return;
    before?.leave();
    let isFirst = true;
    const leave = ticker
      ? desk.topics.watch(`book:${environment}:${ticker}`, (book) => {
          if (!isFirst || !book.isFresh) return;
          isFirst = false;
          if (who === "ticket") ticket?.reprice();
        })
      : () => {};
    books.set(who, { ticker, leave });
  }

  /** @param {string} key */
  function choose(key) {
    selected = key;
    sessionStorage.setItem(`rfq-selected:${account}`, key);
    accepts.clear(key);
    showTicket(false);
    showSelected();
  }

  function showSelected() {
    const row = rowOf(selected) ?? null;
    list.select(row ? selected : "");
    stack.show(row);
    context.show(row);
    watchBook("request", row && isLive(row) ? row["ticker"] : "");
    showTeam();
    showContextTitle();
  }

  function showTeam() {
    const key = !isTicketOpen && rowOf(selected) ? selected : "";
    team.show(key, desk.topics.peek(`rfqteam:${account}`)?.rows.get(key));
  }

  function showContextTitle() {
    const { title, note } = isTicketOpen ? { title: "New RFQ", note: "" } : context.title;
    setText(find("[data-context-title]"), title);
    setText(find("[data-context-note]"), note);
  }

  /** @param {boolean} isOpen */
  function showTicket(isOpen) {
    if (!form) return;
    isTicketOpen = isOpen;
    form.hidden = !isOpen;
    find("[data-context-body]").hidden = isOpen;
    find("[data-ticket-close]").hidden = !isOpen;
    showTeam();
    showContextTitle();
  }

  function openTicket() {
    showTicket(true);
    find("[data-context]").scrollIntoView({ block: "nearest" });
    ticket?.focus();
  }

  /** @param {Row} row */
  function sent(row) {
    announce("Request sent.");
    state()?.rows.upsert(row["key"], /** @type {any} */ (row));
    choose(row["key"]);
    showRows();
    stack.focus();
  }

  /** @param {Row} row */
  async function closeRequest(row) {
    const answer = await command("rfq.close", { rfq: row["key"] });
    const title = titleParts(row).join(" · ");
    if (answer.kind === "error") toast({ title: `Not closed: ${title}`, text: answer.text, level: "danger" });
    if (answer.kind === "unknown")
      toast({ title: "Close sent, answer lost", text: "The list shows what becomes of it.", level: "warning" });
  }

  function showRows() {
    const current = state();
    const all = rows();
    const isKnown = Boolean(current && current.version >= 0);
    list.show(all, { isKnown });
    ticket?.showRows(all);
    for (const row of all) {
      accepts.see(row);
      if (row["idempotency_key"]) ticket?.settle(row["idempotency_key"]);
      const words = newsOf(before.get(row["key"]), row);
      if (words && (row["key"] === selected || row["accept"]))
        announce(words, row["accept"]?.state === "awaiting" ? "assertive" : "polite");
      before.set(row["key"], row);
    }
    if (!rowOf(selected)) selected = sortRequests(all).find(isLive)?.["key"] ?? all[0]?.["key"] ?? "";
    showSelected();
    if (current?.isFresh) scheduleAbsent(all.map((row) => row["key"]));
  }

  /** What was lost on its way and is in no list a while after the list was read again never arrived. @param {string[]} keys */
  function scheduleAbsent(keys) {
    accepts.caughtUp(keys);
    clearTimeout(absentTimer);
    absentTimer = window.setTimeout(() => ticket?.settleAbsent(), ABSENT_MS);
  }

  function showGate() {
    const { state: feed, text } = feedState({
      link: desk.socket.link.state,
      isFresh: Boolean(state()?.isFresh),
      state: status?.feed ?? "down",
      seenMs: Date.now() - desk.socket.link.since,
    });
    if (root.dataset["feed"] !== feed) root.dataset["feed"] = feed;
    setText(find("[data-feed-age]"), feed === "live" ? "live" : (text.split(":")[0] ?? text));
    const why = blockWords({
      feed,
      feedWords: text,
      pause,
      exchangeActive: status?.exchange_active,
      tradingActive: status?.trading_active,
    });
    stack.block(why);
    ticket?.block(why);
    const { state: link, why: reason } = desk.socket.link;
    if (link === "closed") ticket?.signedOut(reason);
  }

  desk.topics.watch(topic, () => {
    showRows();
    showGate();
  });
  desk.topics.watch(`rfqteam:${account}`, showTeam);
  desk.topics.watch(`trading:${account}`, (frame) => {
    pause = pauseWords(frame.value, person);
    showGate();
  });
  desk.topics.watch(`status:${environment}`, (frame) => {
    status = frame.value;
    showGate();
  });
  desk.topics.watch(`tickers:${environment}`, () => {});
  let isRepriceDue = false;
  prices()?.subscribe((ticker) => {
    if (isRepriceDue || !context.shows(ticker)) return;
    isRepriceDue = true;
    requestAnimationFrame(() => {
      isRepriceDue = false;
      context.reprice();
    });
  });
  desk.socket.onLink(showGate);
  setInterval(() => {
    if (document.hidden) return;
    list.tick();
    stack.tick();
  }, TICK_MS);
  setInterval(() => {
    showGate();
    team.tick();
  }, 1_000);

  for (const button of root.querySelectorAll("[data-new]")) button.addEventListener("click", openTicket);
  root.querySelector("[data-ticket-close]")?.addEventListener("click", () => showTicket(false));
  if (ticket) desk.keys.register({ keys: "n", label: "New request", group: "RFQ desk", run: openTicket });
  desk.keys.register({
    keys: "q",
    label: "To the quotes of the chosen request",
    group: "RFQ desk",
    run: () => stack.focus(),
  });
  if (canTrade) {
    // Listed for `?`; the card itself hears them, and only while it has the focus.
    const when = () => false;
    desk.keys.register({
      keys: "1",
      label: "Take the best YES, with the focus on the quotes",
      group: "RFQ desk",
      when,
      run: () => {},
    });
    desk.keys.register({
      keys: "2",
      label: "Take the best NO, with the focus on the quotes",
      group: "RFQ desk",
      when,
      run: () => {},
    });
    desk.keys.register({
      keys: "Ctrl+Enter",
      label: "Send the request in the ticket",
      group: "RFQ desk",
      when,
      run: () => {},
    });
  }
  if (ticket?.isPending()) openTicket();
  showGate();
}

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-module='rfq']"));
if (root) {
  start(root);
  void startMaker(root);
}
