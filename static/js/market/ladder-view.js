/**
 * The ladder's DOM: one row per grid price, made once; a frame changes only the rows that differ.
 *
 * Frames may come far faster than a screen draws: `show` keeps the newest and draws once per
 * animation frame. Rows never move under a pointer: while it is over the ladder, and while a click
 * sends orders, the spread row and the centre stay where they are.
 */
import { formatCount, formatPrice } from "../core/fixed.js";
import { barScale, bookLevels, bookWords, centrePrice, compactCount, ownByPrice, sideBook } from "./ladder-model.js";
import { mirrored } from "./grid.js";

/**
 * @typedef {import("./ladder-model.js").BookFrame} BookFrame
 * @typedef {import("./ladder-model.js").Side} Side
 * @typedef {import("./ladder-model.js").OwnOrder} OwnOrder
 * @typedef {{row: HTMLElement, ownBid: HTMLElement, bidDepth: HTMLElement, bid: HTMLElement, price: HTMLElement,
 *   ask: HTMLElement, askDepth: HTMLElement, ownAsk: HTMLElement, book: string, own: string}} Line
 * @typedef {{price: number, side: "yes" | "no"}} Traded price as seen from this view, `side` the taker bought
 */

const NOTHING = { bid: 0, ask: 0, bidDepth: 0, askDepth: 0 };
const MARKED_TRADES = 8;

/** @param {string} name @param {string} [role] */
function div(name, role = "") {
  const element = document.createElement("div");
  element.className = name;
  if (role) element.setAttribute("role", role);
  return element;
}

/**
 * @param {HTMLElement} root the scrolling element that holds `.ladder`
 * @param {{prices: number[], step: number, format: import("../core/fixed.js").PriceFormat}} options prices of
 *   the YES grid, ascending
 */
export function createLadder(root, options) {
  const body = /** @type {HTMLElement} */ (root.querySelector("[data-ladder-rows]"));
  const { step, format } = options;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  const spread = div("ladder__spread", "row");
  const spreadBox = div("ladder__spread-box", "cell");
  const lastCell = document.createElement("b");
  const spreadCell = document.createElement("span");
  spreadBox.append(lastCell, " ", spreadCell);
  spread.append(spreadBox);

  /** @type {Map<number, Line>} */
  const lines = new Map();
  /** Rows in the document, highest price first. @type {number[]} */
  let order = [];
  /** Prices whose rows show anything. @type {Set<number>} */
  let filled = new Set();
  /** @type {Side} */
  let view = "yes";
  /** @type {BookFrame} */
  let frame = { yes: [], no: [] };
  let book = sideBook(frame, view);
  /** @type {OwnOrder[]} */
  let own = [];
  /** @type {{price: number, count: number} | null} */
  let last = null;
  /** @type {Traded[]} */
  let traded = [];
  /** Marks on rows: which class is where. @type {Map<string, number | null>} */
  const marks = new Map();
  /** @type {Map<number, string>} */
  let arrows = new Map();
  let scale = 0;
  let isLocked = false;
  let isHeld = false;
  let isQueued = false;
  let isCentred = false;

  /** @param {number} price */
  function makeLine(price) {
    const row = div("ladder__row", "row");
    row.dataset.price = String(price);
    const cell = (/** @type {string} */ name, /** @type {string} */ column) => {
      const element = div(`ladder__${name}`, "cell");
      if (column) element.dataset.side = column;
      row.append(element);
      return element;
    };
    /** @type {Line} */
    const line = {
      row,
      ownBid: cell("own", "bid"),
      bidDepth: cell("depth", "bid"),
      bid: cell("bid", "bid"),
      price: cell("price", ""),
      ask: cell("ask", "ask"),
      askDepth: cell("depth", "ask"),
      ownAsk: cell("own", "ask"),
      book: "0,0,0,0",
      own: "",
    };
    line.price.textContent = formatPrice(price, { format, step, unit: false });
    lines.set(price, line);
    return line;
  }

  /** All rows of the grid as seen from this view, once. */
  function build() {
    lines.clear();
    filled = new Set();
    marks.clear();
    arrows = new Map();
    order = (view === "yes" ? [...options.prices] : mirrored(options.prices)).reverse();
    body.replaceChildren(...order.map((price) => makeLine(price).row));
    isCentred = false;
  }

  /** The row of a price; a level off the grid (an old one after a change of grid) gets one. @param {number} price */
  function lineAt(price) {
    const known = lines.get(price);
    if (known) return known;
    const line = makeLine(price);
    const below = order.findIndex((each) => each < price);
    const next = below < 0 ? undefined : order[below];
    if (next === undefined) body.append(line.row);
    else lines.get(next)?.row.before(line.row);
    order.splice(below < 0 ? order.length : below, 0, price);
    return line;
  }

  /** @param {HTMLElement} cell @param {HTMLElement} depthCell @param {number} count @param {number} depth */
  function fillSize(cell, depthCell, count, depth) {
    const text = count ? formatCount(count) : "";
    const isChanged = cell.textContent !== text;
    if (isChanged) cell.textContent = text;
    cell.title = count ? `${text} at this price, ${formatCount(depth)} up to here` : "";
    cell.style.setProperty("--share", count ? Math.max(0.04, count / scale).toFixed(3) : "0");
    const sum = count ? compactCount(depth) : "";
    if (depthCell.textContent !== sum) depthCell.textContent = sum;
    return isChanged;
  }

  /** @param {HTMLElement} cell @param {number} count @param {OwnOrder[]} orders @param {string} side */
  function fillOwn(cell, count, orders, side) {
    cell.replaceChildren();
    if (!count) return;
    const chip = document.createElement("button");
    chip.type = "button";
    chip.tabIndex = -1;
    chip.className = `ladder__chip ladder__chip--${side}`;
    chip.classList.toggle(
      "is-changing",
      orders.every((each) => each.isChanging),
    );
    chip.textContent = formatCount(count);
    const ahead = orders.map((each) => each.queue).filter((each) => typeof each === "number");
    const first = ahead.length ? Math.min(...ahead) : null;
    const queue = first === null ? "" : `, ${formatCount(first)} ahead in the queue`;
    if (first !== null) {
      const mark = document.createElement("small");
      mark.className = "ladder__queue";
      mark.textContent = compactCount(first);
      chip.append(" ", mark);
    }
    const name = orders.length === 1 ? "own order" : `${orders.length} own orders`;
    chip.title = `Cancel ${name}, ${formatCount(count)} contracts${queue}`;
    chip.setAttribute("aria-label", `${chip.textContent}: cancel ${name}, ${formatCount(count)} contracts${queue}`);
    cell.append(chip);
  }

  function draw() {
    isQueued = false;
    if (order.length === 0) build();
    book = sideBook(frame, view);
    const levels = bookLevels(book);
    const mine = ownByPrice(own, view);
    let largest = 1;
    for (const level of levels.values()) largest = Math.max(largest, level.bid, level.ask);
    const isRescaled = scale !== barScale(largest);
    if (isRescaled) scale = barScale(largest);
    const isFirst = filled.size === 0;
    const next = new Set([...levels.keys(), ...mine.keys()]);
    for (const price of new Set([...filled, ...next])) {
      const line = lineAt(price);
      const level = levels.get(price) ?? NOTHING;
      const shown = `${level.bid},${level.ask},${level.bidDepth},${level.askDepth}`;
      if (line.book !== shown || isRescaled) {
        line.book = shown;
        const bidChanged = fillSize(line.bid, line.bidDepth, level.bid, level.bidDepth);
        const askChanged = fillSize(line.ask, line.askDepth, level.ask, level.askDepth);
        if (bidChanged && !isFirst) tint(line.bid);
        if (askChanged && !isFirst) tint(line.ask);
      }
      drawOwn(line, mine.get(price));
    }
    filled = next;
    mark("is-best-bid", book.bestBid);
    mark("is-best-ask", book.bestAsk);
    mark("is-last", last?.price ?? null);
    drawArrows();
    drawSpread();
    if (!isLocked && !(isHeld && isCentred)) centre();
  }

  /** @param {Line} line @param {{bid: number, ask: number, orders: OwnOrder[]} | undefined} owned */
  function drawOwn(line, owned) {
    const shown = owned
      ? owned.orders.map((each) => `${each.id}:${each.remaining}:${each.queue ?? ""}:${each.isChanging ?? ""}`).join()
      : "";
    if (line.own === shown) return;
    line.own = shown;
    const isBid = (/** @type {OwnOrder} */ each) => (each.side === "bid") === (view === "yes");
    fillOwn(line.ownBid, owned?.bid ?? 0, owned?.orders.filter(isBid) ?? [], "bid");
    fillOwn(line.ownAsk, owned?.ask ?? 0, owned?.orders.filter((each) => !isBid(each)) ?? [], "ask");
  }

  /** Move a class from the row that has it to the row of `price`. @param {string} name @param {number | null} price */
  function mark(name, price) {
    const before = marks.get(name) ?? null;
    if (before === price) return;
    if (before !== null) lines.get(before)?.row.classList.remove(name);
    if (price !== null) lines.get(price)?.row.classList.add(name);
    marks.set(name, price);
  }

  /** The newest trades as arrows at their prices: up where the shown side was bought. */
  function drawArrows() {
    const wanted = new Map();
    for (const trade of traded) {
      if (!wanted.has(trade.price)) wanted.set(trade.price, trade.side === view ? "up" : "down");
    }
    for (const [price, direction] of new Map([...arrows, ...wanted])) {
      const arrow = wanted.get(price);
      const cell = lines.get(price)?.price;
      if (!cell || (arrow === direction && arrows.get(price) === arrow)) continue;
      if (arrow) cell.dataset.traded = arrow;
      else delete cell.dataset.traded;
    }
    arrows = wanted;
  }

  function drawSpread() {
    const price = last ? formatPrice(last.price, { format, step }) : "no trade yet";
    if (lastCell.textContent !== price) lastCell.textContent = price;
    const size = last && last.count ? `last ${formatCount(last.count)}` : "";
    const width =
      book.bestBid !== null && book.bestAsk !== null
        ? `spread ${formatPrice(book.bestAsk - book.bestBid, { format: spreadFormat(), step })}`
        : bookWords(book, view);
    const words = [size, width].filter(Boolean).join(" · ");
    if (spreadCell.textContent !== words) spreadCell.textContent = words;
    if (!isHeld || !spread.isConnected) placeSpread();
  }

  /** A difference of prices has no odds of its own. */
  function spreadFormat() {
    return format === "american" ? "cents" : format;
  }

  function placeSpread() {
    const above = book.bestAsk ?? order.findLast((price) => price > middle());
    const anchor = above === undefined ? null : lines.get(above)?.row;
    if (!anchor) body.prepend(spread);
    else if (anchor.nextSibling !== spread) anchor.after(spread);
  }

  const middle = () => centrePrice(book, last?.price ?? null);

  /** Scroll so that the spread is in the middle, but only when it has left the middle half. */
  function centre() {
    const height = root.clientHeight;
    const top = spread.isConnected ? naturalTop() : 0;
    const at = top - root.scrollTop;
    if (isCentred && at > height * 0.25 && at < height * 0.75) return;
    root.scrollTop = top - height / 2 + spread.offsetHeight / 2;
    isCentred = height > 0;
  }

  /** Where the spread row is in the list; its own offset is where it sticks. */
  function naturalTop() {
    const above = /** @type {HTMLElement | null} */ (spread.previousElementSibling);
    return above ? above.offsetTop + above.offsetHeight : 0;
  }

  /** Tint a changed cell for 400 ms, without forcing a layout. @param {HTMLElement} cell */
  function tint(cell) {
    if (isCalm.matches) return;
    cell.animate([{ backgroundColor: "var(--tint)" }, { backgroundColor: "transparent" }], { duration: 400 });
  }

  function queue() {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(draw);
  }

  spread.addEventListener("click", () => {
    isCentred = false;
    placeSpread();
    centre();
  });
  new ResizeObserver(() => {
    if (isHeld) return;
    isCentred = false;
    queue();
  }).observe(root);

  return {
    /** @param {BookFrame} next */
    show(next) {
      frame = next;
      queue();
    },
    /** @param {OwnOrder[]} orders */
    showOwn(orders) {
      own = orders;
      queue();
    },
    /**
     * @param {{price: number, count: number} | null} trade the newest, price as seen from this view
     * @param {Traded[]} trades the newest first
     */
    showTrades(trade, trades) {
      last = trade;
      traded = trades.slice(0, MARKED_TRADES);
      queue();
    },
    /** @param {Side} next */
    setView(next) {
      if (next === view) return;
      view = next;
      last = null;
      traded = [];
      build();
      queue();
    },
    /** @param {boolean} locked */
    setLocked(locked) {
      isLocked = locked;
      isCentred = false;
      queue();
    },
    /** Keep the rows where they are while somebody may be about to click one. @param {boolean} held */
    hold(held) {
      isHeld = held;
      queue();
    },
    /** Centre now, whatever is held. */
    recentre() {
      isCentred = false;
      placeSpread();
      centre();
    },
    /** The book as last drawn, from this view. */
    get book() {
      return book;
    },
    get view() {
      return view;
    },
    /** The grid as seen from this view, ascending. */
    get prices() {
      return view === "yes" ? options.prices : mirrored(options.prices);
    },
    /** Own orders at a price; of one column, or of both. @param {number} price @param {"bid" | "ask" | ""} column */
    ownAt(price, column) {
      const found = ownByPrice(own, view).get(price)?.orders ?? [];
      return column
        ? found.filter((each) => ((each.side === "bid") === (view === "yes")) === (column === "bid"))
        : found;
    },
    /** @param {number | null} price puts the keyboard's mark on a row and brings it into view */
    point(price) {
      mark("is-pointed", price);
      if (price !== null) lines.get(price)?.row.scrollIntoView({ block: "nearest" });
    },
  };
}
