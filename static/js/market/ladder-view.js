/**
 * The ladder's DOM: one row per grid price, made once; a frame changes only the cells that differ.
 *
 * Frames may come far faster than a screen draws: `show` keeps the newest and draws once per
 * animation frame.
 */
import { formatCount, formatPrice } from "../core/fixed.js";
import { centrePrice, ladderRows, ownByPrice, sideBook } from "./ladder-model.js";
import { mirrored } from "./grid.js";

/**
 * @typedef {import("./ladder-model.js").BookFrame} BookFrame
 * @typedef {import("./ladder-model.js").Side} Side
 * @typedef {import("./ladder-model.js").OwnOrder} OwnOrder
 * @typedef {{row: HTMLTableRowElement, ownBid: HTMLElement, bid: HTMLElement, price: HTMLElement,
 *   ask: HTMLElement, ownAsk: HTMLElement, shown: string}} Line
 */

/**
 * @param {HTMLElement} root the scrolling element that holds `table.ladder`
 * @param {{prices: number[], step: number, format: import("../core/fixed.js").PriceFormat, onPick: (price: number, side: "bid" | "ask") => void,
 *   onCancel: (orders: OwnOrder[]) => void}} options prices of the YES grid, ascending
 */
export function createLadder(root, options) {
  const body = /** @type {HTMLTableSectionElement} */ (root.querySelector("tbody"));
  const spread = document.createElement("tr");
  spread.className = "ladder__spread";
  const spreadBox = document.createElement("td");
  spreadBox.colSpan = 5;
  const lastCell = document.createElement("b");
  const spreadCell = document.createElement("span");
  spreadBox.append(lastCell, " ", spreadCell);
  spread.append(spreadBox);

  /** @type {Map<number, Line>} */
  const lines = new Map();
  /** @type {Side} */
  let view = "yes";
  /** @type {BookFrame} */
  let frame = { yes: [], no: [] };
  /** @type {OwnOrder[]} */
  let own = [];
  /** @type {{price: number, count: number} | null} */
  let last = null;
  let isLocked = false;
  let isQueued = false;
  let isCentred = false;
  const { step, format } = options;

  /** @param {number} price */
  function makeLine(price) {
    const row = document.createElement("tr");
    row.dataset.price = String(price);
    const cell = (/** @type {string} */ name) => {
      const element = document.createElement("td");
      element.className = `ladder__${name}`;
      row.append(element);
      return element;
    };
    /** @type {Line} */
    const line = {
      row,
      ownBid: cell("own"),
      bid: cell("bid"),
      price: cell("price"),
      ask: cell("ask"),
      ownAsk: cell("own"),
      shown: "",
    };
    line.bid.dataset.side = "bid";
    line.ask.dataset.side = "ask";
    line.price.textContent = formatPrice(price, { format, step, unit: false });
    lines.set(price, line);
    return line;
  }

  /** @param {HTMLElement} cell @param {number} count @param {number} largest @param {number} depth */
  function fillSize(cell, count, largest, depth) {
    cell.textContent = count ? formatCount(count) : "";
    cell.title = count ? `${formatCount(count)} at this price, ${formatCount(depth)} up to here` : "";
    cell.classList.toggle("has-size", count > 0);
    cell.style.setProperty("--share", count ? Math.max(0.04, count / largest).toFixed(3) : "0");
  }

  /** @param {HTMLElement} cell @param {number} count @param {OwnOrder[]} orders @param {string} side */
  function fillOwn(cell, count, orders, side) {
    cell.replaceChildren();
    if (!count) return;
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = `ladder__chip ladder__chip--${side}`;
    chip.textContent = formatCount(count);
    const words = `Cancel own ${orders.length === 1 ? "order" : `${orders.length} orders`}, ${formatCount(count)} contracts`;
    chip.title = words;
    chip.setAttribute("aria-label", words);
    chip.addEventListener("click", () => options.onCancel(orders));
    cell.append(chip);
  }

  function draw() {
    isQueued = false;
    const book = sideBook(frame, view);
    const prices = view === "yes" ? options.prices : mirrored(options.prices);
    const rows = ladderRows(prices, book);
    const mine = ownByPrice(own, view);
    const largest = rows.reduce((most, row) => Math.max(most, row.bid, row.ask), 1);
    for (const data of rows) {
      const line = lines.get(data.price) ?? makeLine(data.price);
      const owned = mine.get(data.price);
      const shown = [data.bid, data.ask, data.bidDepth, data.askDepth, largest, owned?.bid, owned?.ask].join();
      if (line.shown !== shown) {
        const isChange = line.shown !== "";
        line.shown = shown;
        const bidText = line.bid.textContent;
        const askText = line.ask.textContent;
        fillSize(line.bid, data.bid, largest, data.bidDepth);
        fillSize(line.ask, data.ask, largest, data.askDepth);
        fillOwn(
          line.ownBid,
          owned?.bid ?? 0,
          owned?.orders.filter((o) => (o.side === "bid") === (view === "yes")) ?? [],
          "bid",
        );
        fillOwn(
          line.ownAsk,
          owned?.ask ?? 0,
          owned?.orders.filter((o) => (o.side === "bid") !== (view === "yes")) ?? [],
          "ask",
        );
        if (isChange && bidText !== line.bid.textContent) tint(line.bid);
        if (isChange && askText !== line.ask.textContent) tint(line.ask);
      }
      line.row.classList.toggle("is-best-bid", data.price === book.bestBid);
      line.row.classList.toggle("is-best-ask", data.price === book.bestAsk);
      line.row.classList.toggle("is-last", last !== null && data.price === last.price);
    }
    place(rows.map((row) => row.price));
    drawSpread(book);
    if (!isLocked) centre(centrePrice(book, last?.price ?? null));
  }

  /** Put the rows in order, touching the document only when the set of rows changed. @param {number[]} prices */
  function place(prices) {
    const key = prices.join();
    if (body.dataset.prices !== key) {
      body.dataset.prices = key;
      body.replaceChildren(...prices.map((price) => /** @type {Line} */ (lines.get(price)).row));
    }
  }

  /** @param {ReturnType<typeof sideBook>} book */
  function drawSpread(book) {
    lastCell.textContent = last ? formatPrice(last.price, { format, step }) : "no trade yet";
    const size = last && last.count ? `last ${formatCount(last.count)}` : "";
    const width =
      book.bestBid !== null && book.bestAsk !== null
        ? `spread ${formatPrice(book.bestAsk - book.bestBid, { step: Math.min(step, 10) })}`
        : book.bestBid === null && book.bestAsk === null
          ? "no orders in this book"
          : "one side only";
    spreadCell.textContent = [size, width].filter(Boolean).join(" · ");
    const anchor = book.bestAsk !== null ? lines.get(book.bestAsk)?.row : null;
    if (anchor) {
      if (anchor.nextSibling !== spread) anchor.after(spread);
    } else if (book.bestBid !== null) {
      const first = lines.get(book.bestBid)?.row;
      if (first && first.previousSibling !== spread) first.before(spread);
    } else if (!spread.isConnected) {
      body.append(spread);
    }
  }

  /** Scroll so that `price` is in the middle, but only when it has left the middle third. @param {number} price */
  function centre(price) {
    const all = [...lines.keys()].filter((each) => each <= price).sort((a, b) => b - a);
    const nearest = all[0];
    const row = nearest === undefined ? null : lines.get(nearest)?.row;
    if (!row) return;
    const top = row.offsetTop - root.scrollTop;
    const height = root.clientHeight;
    if (isCentred && top > height * 0.25 && top < height * 0.75) return;
    root.scrollTop = row.offsetTop - height / 2;
    isCentred = height > 0;
  }

  function queue() {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(draw);
  }

  body.addEventListener("click", (event) => {
    const cell = /** @type {HTMLElement} */ (event.target).closest("td[data-side], td.ladder__price");
    const row = cell?.closest("tr");
    if (!(cell instanceof HTMLElement) || !row?.dataset.price) return;
    const side = cell.dataset.side === "ask" ? "ask" : "bid";
    options.onPick(Number(row.dataset.price), side);
  });

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
    /** @param {{price: number, count: number} | null} trade price as seen from this view */
    showLast(trade) {
      last = trade;
      queue();
    },
    /** @param {Side} next */
    setView(next) {
      if (next === view) return;
      view = next;
      last = null;
      isCentred = false;
      lines.clear();
      delete body.dataset.prices;
      queue();
    },
    get view() {
      return view;
    },
    /** @param {boolean} locked */
    setLocked(locked) {
      isLocked = locked;
      isCentred = false;
      queue();
    },
  };
}

/** Tint a changed cell for 400 ms, without forcing a layout. @param {HTMLElement} cell */
function tint(cell) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  cell.animate([{ backgroundColor: "var(--tint)" }, { backgroundColor: "transparent" }], { duration: 400 });
}
