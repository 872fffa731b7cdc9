/** The ladder panel as a whole: rows, bar, mouse and keys, and the orders that an armed click sends. */
import { DOLLAR, formatPrice, fromUnits } from "../core/fixed.js";
import { createArming } from "./arming.js";
import { createLadderBar } from "./ladder-bar.js";
import { createLadderControl } from "./ladder-control.js";
import { createLadderSettings } from "./ladder-settings.js";
import { createLadder } from "./ladder-view.js";
import { orderAt, orderWords } from "./order-words.js";

/**
 * @typedef {import("./ladder-model.js").OwnOrder} OwnOrder
 * @typedef {object} Options
 * @property {number[]} prices the YES grid, ascending
 * @property {{step: number, format: import("../core/fixed.js").PriceFormat}} look
 * @property {string} person
 * @property {string} environment
 * @property {Record<string, unknown>} base what each order says besides its terms: ticker, account, subaccount
 * @property {import("./ticket.js").Live} live
 * @property {ReturnType<typeof import("../core/keys.js").createKeys>} keys
 * @property {boolean} canTrade
 * @property {boolean} canCancel
 * @property {{groupId: string, problem: string, title: string} | null} groups the order group that clicks go into
 * @property {() => number} position 1/100 contract, positive for YES
 * @property {(wanted: import("./order-words.js").Wanted) => void} fillTicket
 * @property {(orders: OwnOrder[]) => void} cancel
 * @property {(orders: OwnOrder[], price: number) => void} amend price on the YES leg
 * @property {(key: string) => void} onSent idempotency key of an order that a click sent
 * @property {() => void} onView the shown side changed
 * @property {(message: {title: string, text?: string, level: "danger" | "warning"}) => void} toast
 * @property {(text: string) => void} announce
 */

/** @param {HTMLElement} panel @param {Options} options */
export function createLadderDesk(panel, options) {
  const { look, live } = options;
  const root = /** @type {HTMLElement} */ (panel.querySelector("[data-ladder]"));
  const lock = /** @type {HTMLElement} */ (panel.querySelector("[data-lock]"));
  const settings = createLadderSettings(localStorage, options.person);
  const ladder = createLadder(root, { prices: options.prices, canCancel: options.canCancel, ...look });
  let isPossible = false;

  const arming = createArming({
    lapseMs: settings.value.lapseSeconds * 1_000,
    onChange(state) {
      const wasArmed = panel.dataset.oneClick === "armed";
      bar.showArmed(state, isPossible);
      if (wasArmed === state.isArmed) return;
      if (state.isArmed) options.announce("One-click trading is armed. Escape ends it.");
      else options.announce(`One-click trading is off. ${state.why}`);
      hold();
    },
  });
  const bar = createLadderBar(panel, {
    settings,
    onChange: applySettings,
    onArm: arm,
    onDisarm: () => arming.disarm(),
  });

  createLadderControl(root, ladder, options.keys, {
    canTrade: options.canTrade,
    order,
    cancel: options.cancel,
    amend,
    pointed: say,
    toggleArmed: () => (arming.state.isArmed ? arming.disarm() : arm()),
    toggleLock,
    toggleView: () => show(ladder.view === "yes" ? "no" : "yes"),
    toggleDepth: () => bar.toggleDepth(),
    choosePreset: (index) => bar.choose(index),
    mouse: () => settings.value.mouse,
    scopeChanged: hold,
  });
  options.keys.register({
    keys: "Escape",
    label: "End one-click trading",
    whileTyping: true,
    when: () => arming.state.isArmed,
    run: () => arming.disarm(),
  });

  function hold() {
    ladder.hold(arming.state.isArmed || root.matches(":hover"));
  }

  function arm() {
    if (!options.canTrade || arming.state.isArmed) return;
    const words = "Arm one-click trading with REAL MONEY on PRODUCTION? Each click on the ladder then sends an order.";
    if (options.environment === "production" && isPossible && !window.confirm(words)) return;
    if (!arming.arm()) {
      options.toast({ title: "One-click stays off", text: arming.state.why, level: "warning" });
    }
  }

  function applySettings() {
    panel.toggleAttribute("data-depth", settings.value.hasDepth);
    ladder.setDepth(settings.value.hasDepth);
    arming.setLapse(settings.value.lapseSeconds * 1_000);
    bar.showArmed(arming.state, isPossible);
  }

  /** @param {number} price as seen from this view @param {"bid" | "ask"} column */
  function order(price, column) {
    if (!options.canTrade) return;
    const wanted = orderAt(ladder.view, column, price, options.position());
    if (arming.state.isArmed) send(wanted);
    else options.fillTicket(wanted);
  }

  /** @param {OwnOrder[]} orders @param {number} price as seen from this view */
  function amend(orders, price) {
    if (!options.canTrade) return;
    if (isPossible) options.amend(orders, ladder.view === "yes" ? price : DOLLAR - price);
    else options.toast({ title: "Not moved", text: `${arming.state.why}.`, level: "warning" });
  }

  /** @param {import("./order-words.js").Wanted} wanted */
  async function send(wanted) {
    const count = settings.size;
    if (!arming.use(`${wanted.side}:${wanted.price}:${count}`)) return;
    const group = options.groups?.groupId ?? "";
    const problem = options.groups?.problem ?? "";
    const words = `${orderWords(wanted, count, look)}${group ? ` in ${options.groups?.title}` : ""}`;
    // Never outside the group that was chosen for it.
    if (problem) return options.toast({ title: `Not sent: ${words}`, text: problem, level: "warning" });
    const key = crypto.randomUUID();
    options.onSent(key);
    const answer = await live.command("order.place", {
      ...options.base,
      idempotency_key: key,
      side: wanted.side,
      price: fromUnits(wanted.price, 4),
      count: fromUnits(count, 2),
      time_in_force: "good_till_canceled",
      post_only: settings.value.isPostOnly,
      ...(group ? { order_group_id: group } : {}),
    });
    if (answer.kind === "ok") return options.announce(`Sent: ${words}`);
    if (answer.kind === "error")
      return options.toast({ title: `Refused: ${words}`, text: answer.text, level: "danger" });
    arming.disarm("An answer was lost.");
    const text = "The connection broke before the answer. The order list shows it if it arrived; it is not sent again.";
    return options.toast({ title: `Not confirmed: ${words}`, text, level: "warning" });
  }

  /** The row that the arrow keys chose, in words. @param {number} price */
  function say(price) {
    const { bids, asks } = ladder.book;
    const count = (/** @type {number | undefined} */ units) =>
      units ? fromUnits(units, 2).replace(/\.00$/, "") : "none";
    const mine = ladder.ownAt(price, "").reduce((sum, each) => sum + each.remaining, 0);
    const own = mine ? `, own ${count(mine)}` : "";
    options.announce(`${formatPrice(price, look)}, bid ${count(bids.get(price))}, ask ${count(asks.get(price))}${own}`);
  }

  function toggleLock() {
    const isLocked = lock.getAttribute("aria-pressed") !== "true";
    lock.setAttribute("aria-pressed", String(isLocked));
    ladder.setLocked(isLocked);
  }

  /** @param {"yes" | "no"} view */
  function show(view) {
    for (const button of panel.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.view === view));
    }
    ladder.setView(view);
    options.onView();
  }

  lock.addEventListener("click", toggleLock);
  for (const button of panel.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () =>
      show(/** @type {HTMLElement} */ (button).dataset.view === "no" ? "no" : "yes"),
    );
  }
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") arming.disarm("The tab was hidden.");
  });
  applySettings();

  return {
    ladder,
    /**
     * The market has another grid. Rows move under the pointer, so one-click ends.
     * @param {number[]} prices of the YES side, ascending
     */
    regrid(prices) {
      arming.disarm("The price steps of this market changed.");
      ladder.setGrid(prices, look.step);
    },
    /** Why no order can go now; "" allows arming. @param {string} reason */
    block(reason) {
      isPossible = options.canTrade && reason === "";
      arming.block(reason);
    },
  };
}
