/**
 * The ladder's DOM: one row per grid price, made once; a frame changes only the rows that differ.
 *
 * Frames may come far faster than a screen draws: `show` keeps the newest and draws once per
 * animation frame. Rows never move under a pointer: while it is over the ladder, and while a click
 * sends orders, the spread row and the centre stay where they are.
 */
import { DOLLAR, formatCount, formatPrice } from "../core/fixed.js";
import { barScale, bookLevels, bookWords, centrePrice, compactCount, ownByPrice, sideBook } from "./ladder-model.js";
import { mirrored, shownStep } from "./grid.js";
import { createTint } from "./tint.js";

/**
 * @typedef {import("./ladder-model.js").BookFrame} BookFrame
 * @typedef {import("./ladder-model.js").Side} Side
 * @typedef {import("./ladder-model.js").OwnOrder} OwnOrder
 * @typedef {{row: HTMLElement, ownBid: HTMLElement, bidDepth: HTMLElement, bid: HTMLElement, price: HTMLElement,
 *   ask: HTMLElement, askDepth: HTMLElement, ownAsk: HTMLElement, bidCount: number, askCount: number,
 *   bidSum: string, askSum: string, own: string}} Line
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
 * @param {{prices: number[], step: number, format: import("../core/fixed.js").PriceFormat, canCancel?: boolean}} options
 *   prices of the YES grid, ascending
 */
export function createLadder(root, options) {
  const body = /** @type {HTMLElement} */ (root.querySelector("[data-ladder-rows]"));
  const { format } = options;
  let { prices, step } = options;
  const tint = createTint();
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
  let levels = bookLevels(book);
  let hasDepth = false;
  /** Where the spread was when it was last centred on. @type {HTMLElement | null} */
  let centredOn = null;
  /** @type {{price: number, count: number} | null} */
  let last = null;
  /** What the open contracts cost on average, on the YES leg. @type {number | null} */
  let average = null;
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
      bidCount: 0,
      askCount: 0,
      bidSum: "",
      askSum: "",
      own: "",
    };
    line.price.textContent = formatPrice(price, { format, step: shownStep(step, price), unit: false });
    lines.set(price, line);
    return line;
  }

  /** All rows of the grid as seen from this view, once. */
  function build() {
    lines.clear();
    filled = new Set();
    marks.clear();
    arrows = new Map();
    order = (view === "yes" ? [...prices] : mirrored(prices)).reverse();
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

  /** @param {HTMLElement} cell @param {number} count @param {boolean} isQuiet do not tint: drawn anew, not changed */
  function fillSize(cell, count, isQuiet) {
    const text = count ? formatCount(count) : "";
    cell.style.setProperty("--share", count ? Math.max(0.04, count / scale).toFixed(3) : "0");
    if (cell.textContent === text) return;
    cell.textContent = text;
    cell.classList.toggle("is-long", text.length > 6); // smaller rather than cut off
    cell.classList.toggle("is-very-long", text.length > 9);
    if (!isQuiet) tint(cell);
  }

  /** One change at the best price moves every sum behind it: only what is looked at is written. @param {Line} line @param {import("./ladder-model.js").Level} level */
  function fillDepth(line, level) {
    const bid = level.bid ? compactCount(level.bidDepth) : "";
    const ask = level.ask ? compactCount(level.askDepth) : "";
    if (line.bidSum !== bid) line.bidDepth.textContent = line.bidSum = bid;
    if (line.askSum !== ask) line.askDepth.textContent = line.askSum = ask;
  }

  /**
   * What is there already is kept: a button that is replaced between press and release hears no click.
   * @param {HTMLElement} cell @param {number} count @param {OwnOrder[]} orders @param {string} side
   */
  function fillOwn(cell, count, orders, side) {
    if (!count) return cell.replaceChildren();
    const chip = cell.querySelector("button") ?? document.createElement("button");
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
    const name = orders.length === 1 ? "own order" : `${orders.length} own orders`;
    const deed = options.canCancel ? `cancel ${name}` : name;
    chip.disabled = !options.canCancel;
    chip.title = `${deed.charAt(0).toUpperCase()}${deed.slice(1)}, ${formatCount(count)} contracts${queue}`;
    chip.setAttribute("aria-label", `${chip.textContent}: ${deed}, ${formatCount(count)} contracts${queue}`);
    if (!chip.isConnected) cell.prepend(chip);
    if (first === null) return cell.querySelector("small")?.remove();
    const mark = cell.querySelector("small") ?? document.createElement("small");
    mark.className = "ladder__queue";
    mark.textContent = compactCount(first);
    mark.title = `${formatCount(first)} contracts trade before it, those at better prices included`;
    if (!mark.isConnected) cell.append(mark);
    return undefined;
  }

  function draw() {
    isQueued = false;
    if (order.length === 0) build();
    book = sideBook(frame, view);
    levels = bookLevels(book);
    const mine = ownByPrice(own, view);
    let largest = 1;
    for (const level of levels.values()) largest = Math.max(largest, level.bid, level.ask);
    const isRescaled = scale !== barScale(largest);
    if (isRescaled) scale = barScale(largest);
    const isFirst = filled.size === 0;
    const next = new Set(levels.keys());
    for (const price of mine.keys()) next.add(price);
    for (const price of next) filled.add(price);
    for (const price of filled) {
      const line = lineAt(price);
      const level = levels.get(price) ?? NOTHING;
      if (line.bidCount !== level.bid || isRescaled) fillSize(line.bid, (line.bidCount = level.bid), isFirst);
      if (line.askCount !== level.ask || isRescaled) fillSize(line.ask, (line.askCount = level.ask), isFirst);
      if (hasDepth) fillDepth(line, level);
      drawOwn(line, mine.get(price));
    }
    filled = next;
    mark("is-best-bid", book.bestBid);
    mark("is-best-ask", book.bestAsk);
    mark("is-last", last?.price ?? null);
    markAverage();
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

  /** The row nearest to the average cost, which itself need not be on the grid. */
  function markAverage() {
    const seen = average === null || view === "yes" ? average : DOLLAR - average;
    const near = (/** @type {number} */ price) => Math.abs(price - (seen ?? 0));
    const at =
      seen === null ? null : order.reduce((best, price) => (near(price) < near(best) ? price : best), order[0] ?? 0);
    const before = marks.get("is-average") ?? null;
    if (before === at) return;
    if (before !== null) lines.get(before)?.price.removeAttribute("title");
    mark("is-average", at);
    if (at !== null) lines.get(at)?.price.setAttribute("title", "What your contracts cost on average, before fees");
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

  /** Scroll so that the spread is in the middle, but only when it has moved out of the middle half. */
  function centre() {
    const anchor = /** @type {HTMLElement | null} */ (spread.previousElementSibling);
    if (isCentred && anchor === centredOn) return; // asking for positions costs a layout
    centredOn = anchor;
    const height = root.clientHeight;
    const top = anchor ? anchor.offsetTop + anchor.offsetHeight : 0;
    const at = top - root.scrollTop;
    if (isCentred && at > height * 0.25 && at < height * 0.75) return;
    root.scrollTop = top - height / 2 + spread.offsetHeight / 2;
    isCentred = height > 0;
  }

  function queue() {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(draw);
  }

  body.addEventListener("pointerover", (event) => {
    const cell = /** @type {HTMLElement | null} */ (
      /** @type {Element} */ (event.target).closest(".ladder__bid, .ladder__ask")
    );
    const level = levels.get(Number(cell?.parentElement?.dataset.price));
    if (!cell || !level) return;
    const [count, depth] = cell.dataset.side === "bid" ? [level.bid, level.bidDepth] : [level.ask, level.askDepth];
    cell.title = count ? `${formatCount(count)} at this price, ${formatCount(depth)} up to here` : "";
  });
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
    /** @param {number | null} price what the open contracts cost on average, on the YES leg */
    showAverage(price) {
      if (price === average) return;
      average = price;
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
    /**
     * The market has another grid: rows for its prices. What rests at an old price keeps a row.
     * @param {number[]} grid of the YES side, ascending
     * @param {number} finest its finest step
     */
    setGrid(grid, finest) {
      [prices, step] = [grid, finest];
      build();
      queue();
    },
    /** @param {boolean} locked */
    setLocked(locked) {
      isLocked = locked;
      isCentred = false;
      queue();
    },
    /** @param {boolean} shown the cumulative depth */
    setDepth(shown) {
      hasDepth = shown;
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
      return view === "yes" ? prices : mirrored(prices);
    },
    /** Own orders at a price; of one column, or of both. @param {number} price @param {"bid" | "ask" | ""} column */
    ownAt(price, column) {
      const found = ownByPrice(own, view).get(price)?.orders ?? [];
      return column
        ? found.filter((each) => ((each.side === "bid") === (view === "yes")) === (column === "bid"))
        : found;
    },
    /** Mark the row where a drag would end, without moving any. @param {number | null} price */
    aim: (price) => mark("is-aimed", price),
    /** @param {number | null} price puts the keyboard's mark on a row and brings it into view */
    point(price) {
      mark("is-pointed", price);
      if (price !== null) lines.get(price)?.row.scrollIntoView({ block: "nearest" });
    },
  };
}
