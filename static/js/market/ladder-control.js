/**
 * What the mouse and the keys mean on the ladder. Everything works at one place: the row under the
 * pointer, else the row that the arrow keys chose while the ladder has the focus.
 */
import { stepFrom } from "./grid.js";
import { bestPrice } from "./ladder-model.js";

/**
 * @typedef {"bid" | "ask"} Column
 * @typedef {import("./ladder-model.js").OwnOrder} OwnOrder
 * @typedef {object} LadderActions
 * @property {boolean} canTrade who cannot has no keys for it
 * @property {(price: number, column: Column) => void} order place (armed) or fill the ticket (not armed)
 * @property {(orders: OwnOrder[]) => void} cancel
 * @property {(orders: OwnOrder[], price: number) => void} amend move own orders to another price of this view
 * @property {(price: number) => void} pointed the keys chose a row: say it
 * @property {() => void} toggleArmed
 * @property {() => void} toggleLock
 * @property {() => void} toggleView
 * @property {() => void} toggleDepth
 * @property {(index: number) => void} choosePreset
 * @property {() => "columns" | "buttons"} mouse
 * @property {() => void} scopeChanged
 */

const DRAG_PX = 5;
/** @type {[string, string][]} */
const GESTURES = [
  ["Click", "Buy in the bid column, sell in the ask column; with two buttons: buy at that price"],
  ["Right-click", "Cancel the own order under it; with two buttons: sell at that price"],
  ["Click\u00a0own\u00a0size", "Cancel the own orders there"],
  ["Drag\u00a0own\u00a0size", "Move the own orders to the price where it is dropped"],
];
export const KEY_GROUP = "Ladder, under the pointer or with the focus";
export const MOUSE_GROUP = "Ladder, mouse";

/**
 * @param {HTMLElement} root the scrolling element
 * @param {ReturnType<typeof import("./ladder-view.js").createLadder>} ladder
 * @param {ReturnType<typeof import("../core/keys.js").createKeys>} keys
 * @param {LadderActions} actions
 */
export function createLadderControl(root, ladder, keys, actions) {
  /** @type {{price: number, column: Column | ""} | null} */
  let hovered = null;
  /** @type {number | null} */
  let pointed = null;
  /** Where the button went down: a row that moved in between is not meant. @type {number | null} */
  let pressed = null;

  /** An own order being dragged. @type {{from: number, orders: OwnOrder[], x: number, y: number, isMoving: boolean} | null} */
  let drag = null;
  let isDropped = false;

  const hasFocus = () => root.contains(document.activeElement);
  const isInScope = () => hovered !== null || root.matches(":hover") || hasFocus();
  const target = () => hovered?.price ?? (hasFocus() ? pointed : null);

  /** @param {Event} event */
  const placeOf = (event) => placeAt(/** @type {Element} */ (event.target));

  /** @param {Element} at @returns {{price: number, column: Column | "", chip: boolean} | null} */
  function placeAt(at) {
    const row = /** @type {HTMLElement | null} */ (at.closest("[data-price]"));
    if (!row) return null;
    const cell = /** @type {HTMLElement | null} */ (at.closest("[data-side]"));
    const side = cell?.dataset.side;
    const column = side === "bid" || side === "ask" ? side : "";
    return { price: Number(row.dataset.price), column, chip: at.closest(".ladder__chip") !== null };
  }

  root.addEventListener("pointerover", (event) => {
    const place = placeOf(event);
    hovered = place ? { price: place.price, column: place.column } : null;
  });
  root.addEventListener("pointerenter", actions.scopeChanged);
  root.addEventListener("pointerleave", () => {
    hovered = null;
    actions.scopeChanged();
  });
  root.addEventListener("pointerdown", (event) => {
    const place = placeOf(event);
    pressed = place?.price ?? null;
    isDropped = false;
    // On an own order a finger drags as a mouse does (its style takes the scrolling off it); beside it, it scrolls.
    if (!place?.chip || event.button !== 0) return;
    const orders = ladder.ownAt(place.price, place.column);
    drag = { from: place.price, orders, x: event.clientX, y: event.clientY, isMoving: false };
  });
  root.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > DRAG_PX) drag.isMoving = true;
    root.toggleAttribute("data-dragging", drag.isMoving);
    if (drag.isMoving) ladder.aim(placeUnder(event)?.price ?? null);
  });
  window.addEventListener("pointerup", (event) => {
    const dropped = drag;
    endDrag();
    if (!dropped?.isMoving) return;
    isDropped = true; // the click that follows is the end of the drag, not an order
    const over = placeUnder(event);
    if (over && over.price !== dropped.from) actions.amend(dropped.orders, over.price);
  });
  window.addEventListener("pointercancel", endDrag);
  window.addEventListener("keydown", (event) => event.key === "Escape" && endDrag());

  /** The row under it: the events of a finger stay with where it went down. @param {PointerEvent} event */
  function placeUnder(event) {
    const over = document.elementFromPoint(event.clientX, event.clientY);
    return over && root.contains(over) ? placeAt(over) : null;
  }

  function endDrag() {
    ladder.aim(null);
    drag = null;
    root.removeAttribute("data-dragging");
  }

  root.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (!place || isDropped) return;
    if (hasFocus()) ladder.point((pointed = place.price));
    if (place.chip) return actions.cancel(ladder.ownAt(place.price, place.column));
    // A click that a screen reader or the keyboard makes has no pointer behind it.
    if (event.detail > 0 && pressed !== place.price) return undefined;
    const column = actions.mouse() === "buttons" ? "bid" : place.column || nearColumn(place.price);
    return actions.order(place.price, column);
  });
  root.addEventListener("contextmenu", (event) => {
    const place = placeOf(event);
    if (!place) return;
    event.preventDefault();
    const mine = ladder.ownAt(place.price, place.column);
    if (mine.length) return actions.cancel(mine);
    if (actions.mouse() === "buttons" && pressed === place.price) return actions.order(place.price, "ask");
    return undefined;
  });
  root.addEventListener("focusin", actions.scopeChanged);
  root.addEventListener("focusout", () => {
    pointed = null;
    ladder.point(null);
    actions.scopeChanged();
  });

  /** On the price itself, the side is the one that is being joined there. @param {number} price @returns {Column} */
  function nearColumn(price) {
    const { bestAsk } = ladder.book;
    return bestAsk !== null && price >= bestAsk ? "ask" : "bid";
  }

  /** @param {number} rows up is positive */
  function move(rows) {
    const prices = ladder.prices;
    const { bestBid, bestAsk } = ladder.book;
    const from = hovered?.price ?? pointed;
    const start = from ?? bestBid ?? bestAsk ?? prices[Math.floor(prices.length / 2)] ?? 0;
    const at = prices.findLastIndex((each) => each <= start);
    const next = prices[Math.max(0, Math.min(prices.length - 1, at + (from === null ? 0 : rows)))];
    if (next === undefined) return;
    hovered = null;
    pointed = next;
    ladder.point(next);
    actions.pointed(next);
  }

  /** @param {Column} column */
  const orderHere = (column) => () => {
    const price = target();
    if (price !== null) actions.order(price, column);
  };
  /** @param {Column} column @param {boolean} isImproving */
  const orderBest = (column, isImproving) => () => {
    const price = bestPrice(ladder.book, ladder.prices, column, isImproving);
    if (price !== null) actions.order(price, column);
  };
  function cancelHere() {
    const price = target();
    if (price === null) return;
    const mine = ladder.ownAt(price, hovered?.column ?? "");
    if (mine.length) actions.cancel(mine);
  }

  /** @param {number} ticks up is positive */
  const amendHere = (ticks) => () => {
    const price = target();
    if (price === null) return;
    const mine = ladder.ownAt(price, hovered?.column ?? "");
    const next = stepFrom(ladder.prices, price, ticks);
    if (mine.length === 0 || next === price) return;
    actions.amend(mine, next);
    if (hasFocus()) move(ticks);
  };

  /** @type {[string, string, () => void][]} */
  const moves = [
    ["L", "Lock the ladder where it is, or let it follow the spread", actions.toggleLock],
    ["C", "Centre it on the spread", () => ladder.recentre()],
    ["D", "Show or hide the cumulative depth", actions.toggleDepth],
    ["V", "Turn it over: YES or NO", actions.toggleView],
    ["ArrowUp", "Choose the next higher price", () => move(1)],
    ["ArrowDown", "Choose the next lower price", () => move(-1)],
    ["PageUp", "Ten prices up", () => move(10)],
    ["PageDown", "Ten prices down", () => move(-10)],
  ];
  /** @type {[string, string, () => void][]} */
  const sizes = [
    ["1", "Work with the first size", () => actions.choosePreset(0)],
    ["2", "Work with the second size", () => actions.choosePreset(1)],
    ["3", "Work with the third size", () => actions.choosePreset(2)],
    ["4", "Work with the fourth size", () => actions.choosePreset(3)],
  ];
  /** What trades acts once per press, however long the key is held. @type {[string, string, () => void][]} */
  const trades = [
    ["A", "Arm one-click trading, or end it", actions.toggleArmed],
    ["B", "Buy at this price: ticket, or at once when armed", orderHere("bid")],
    ["S", "Sell at this price: ticket, or at once when armed", orderHere("ask")],
    ["J", "Join the best bid", orderBest("bid", false)],
    ["Shift+J", "Join the best ask", orderBest("ask", false)],
    ["I", "Improve the best bid by one tick", orderBest("bid", true)],
    ["Shift+I", "Improve the best ask by one tick", orderBest("ask", true)],
    ["Alt+ArrowUp", "Move own orders at this price one tick up", amendHere(1)],
    ["Alt+ArrowDown", "Move own orders at this price one tick down", amendHere(-1)],
    ["Delete", "Cancel own orders at this price", cancelHere],
    ["Backspace", "Cancel own orders at this price", cancelHere],
  ];
  for (const [combination, label, run] of actions.canTrade ? trades : []) {
    keys.register({ keys: combination, label, group: KEY_GROUP, run, when: isInScope, isSingle: true });
  }
  for (const [combination, label, run] of actions.canTrade ? [...moves, ...sizes] : moves) {
    keys.register({ keys: combination, label, group: KEY_GROUP, run, when: isInScope });
  }
  // What no key press means is only listed.
  for (const [gesture, label] of actions.canTrade ? GESTURES : []) {
    keys.register({ keys: gesture, label, group: MOUSE_GROUP, run: () => {}, when: () => false });
  }
}
