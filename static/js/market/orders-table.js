/** Orders and fills of one market: rows keyed by the server's key, drawn into one table with tabs. */
import { DOLLAR, formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";
import { shownStep } from "./grid.js";
import { createKeyedRows } from "./keyed-rows.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {"working" | "unknown" | "done" | "fills"} Tab */

const HEADS = {
  orders: ["Time", "Side", "Contracts", "Price", "Filled", "Terms", "Queue", "State", ""],
  done: ["Time", "Side", "Contracts", "Price", "Filled", "Terms", "Fee / predicted", "State", ""],
  fills: ["Time", "Side", "Contracts", "Price", "Role", "Fee", "", "", ""],
};
const NUMERIC = new Set(["Contracts", "Price", "Filled", "Fee", "Fee / predicted", "Queue"]);
const SHOWN_AT_MOST = 200; // the Orders page shows all of them
const CHANGING = new Set(["committed", "sending", "unknown"]);
const EMPTY = {
  working: "No working order in this market.",
  unknown: "No order with an unknown outcome.",
  done: "No finished order in this market yet.",
  fills: "No fill in this market yet.",
};
const BADGE = {
  resting: "resting",
  executed: "ok",
  canceled: "muted",
  refused: "danger",
  unknown: "unknown",
  not_seen: "unknown",
  sending: "muted",
  committed: "muted",
  accepted: "resting",
};

/** @param {Row} row @returns {Tab} */
export function tabOf(row) {
  if (row.state === "unknown" || row.state === "not_seen") return "unknown";
  return row.is_working ? "working" : "done";
}

/**
 * What the person did, in words: how they entered it, else the outcome bought.
 * @param {Row} row
 */
export function sideWords(row) {
  if (row.entered_as) return row.entered_as.replace("_", " ").toUpperCase();
  return `BUY ${row.outcome_side.toUpperCase()}`;
}

/** The price in the prices of what was entered. @param {Row} row */
export function shownPrice(row) {
  const isNo = row.entered_as ? row.entered_as.endsWith("_no") : row.outcome_side === "no";
  const yes = toUnits(row.price ?? row.yes_price, 4);
  return isNo ? DOLLAR - yes : yes;
}

/** @param {Row} row */
export function terms(row) {
  if (row.is_external) return "placed elsewhere";
  const base =
    row.time_in_force === "immediate_or_cancel"
      ? "IOC"
      : row.time_in_force === "fill_or_kill"
        ? "FOK"
        : row.expires_ms
          ? "expires"
          : "GTC";
  return [base, row.post_only ? "post-only" : "", row.reduce_only ? "reduce" : ""].filter(Boolean).join(" ");
}

/**
 * @param {HTMLElement} panel
 * @param {{look: {zone: string, step: number, format: import("../core/fixed.js").PriceFormat}, canCancel: boolean, onCancel: (row: Row) => void,
 *   onCancelAll: (rows: Row[]) => void}} options
 */
export function createOrdersTable(panel, options) {
  const head = /** @type {HTMLElement} */ (panel.querySelector("[data-orders-head]"));
  const body = /** @type {HTMLElement} */ (panel.querySelector("[data-orders]"));
  const empty = /** @type {HTMLElement} */ (panel.querySelector("[data-orders-empty]"));
  const more = /** @type {HTMLElement} */ (panel.querySelector("[data-orders-more]"));
  const keyed = createKeyedRows(body);
  const cancelAll = /** @type {HTMLButtonElement | null} */ (panel.querySelector("[data-cancel-all]"));
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: options.look.zone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  /** @type {Row[]} */
  let orders = [];
  /** @type {Row[]} */
  let fills = [];
  /** @type {Tab} */
  let tab = "working";

  /** @param {string} text @param {string} [css] */
  function cell(text, css = "") {
    const element = document.createElement("td");
    element.textContent = text;
    if (css) element.className = css;
    return element;
  }

  /** @param {string} text @param {string} kind @param {string} [title] */
  function badge(text, kind, title = "") {
    const element = document.createElement("td");
    const mark = document.createElement("span");
    mark.className = `badge badge--${kind}`;
    mark.textContent = text;
    mark.title = title;
    element.append(mark);
    return element;
  }

  /** @param {number} price units */
  const priceText = (price) => formatPrice(price, { ...options.look, step: shownStep(options.look.step, price) });

  /** Contracts ahead of it at its price, where the desk knows. @param {Row} row */
  function queueCell(row) {
    const isKnown = typeof row.queue === "string";
    const element = cell(isKnown ? formatCount(toUnits(row.queue, 2)) : "-", "num");
    if (isKnown && row.queue_ms) element.title = `As of ${clock.format(row.queue_ms)}`;
    return element;
  }

  /** What its fills cost in fees, beside what our model gives for the same fills. @param {Row} row */
  function feeCell(row) {
    if (!toUnits(row.filled, 2) || !row.fees) return cell("-", "num");
    const dollars = (/** @type {string} */ raw) => formatMoney(toUnits(raw, 6));
    const element = cell(
      row.fees_predicted ? `${dollars(row.fees)} / ${dollars(row.fees_predicted)}` : dollars(row.fees),
      "num",
    );
    const isOff = row.fees_predicted && toUnits(row.fees, 6) !== toUnits(row.fees_predicted, 6);
    element.title = isOff ? "The exchange charged something else than our model gives" : "";
    element.classList.toggle("is-ask", Boolean(isOff));
    return element;
  }

  /** How much is done, with what the fills cost in fees beside what our model gave for them. @param {Row} row */
  function filledCell(row) {
    const element = cell(row.state === "unknown" ? "?" : formatCount(toUnits(row.filled, 2)), "num");
    const dollars = (/** @type {string} */ raw) => formatMoney(toUnits(raw, 6));
    if (toUnits(row.filled, 2) && row.fees)
      element.title = `Fees ${dollars(row.fees)}${row.fees_predicted ? `, predicted ${dollars(row.fees_predicted)}` : ""}`;
    return element;
  }

  /** @param {Row} row */
  function orderRow(row) {
    const line = document.createElement("tr");
    line.dataset.key = row.key;
    line.dataset.state = row.state;
    const side = sideWords(row);
    const isBuyYes = row.book_side === "bid";
    const words =
      row.is_working && (row.cancel_text || CHANGING.has(row.change))
        ? row.cancel_text || row.change_text
        : row.state === "resting" && toUnits(row.filled, 2)
          ? "partly filled"
          : row.state_text;
    const kind =
      row.state === "resting" && toUnits(row.filled, 2)
        ? "partly"
        : (BADGE[/** @type {keyof typeof BADGE} */ (row.state)] ?? "muted");
    line.append(
      cell(row.created_ms ? clock.format(row.created_ms) : "-"),
      badge(side, isBuyYes ? "buy" : "sell"),
      cell(formatCount(toUnits(row.count, 2)), "num"),
      cell(priceText(shownPrice(row)), "num"),
      filledCell(row),
      cell(terms(row)),
      tab === "done" ? feeCell(row) : queueCell(row),
      badge(words.toLowerCase(), kind, row.error || row.ended || row.evidence || words),
    );
    const last = document.createElement("td");
    last.className = "num";
    if (options.canCancel && row.is_working && row.order_id) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button--quiet button--small";
      button.textContent = "Cancel";
      button.disabled = ["committed", "sending"].includes(row.cancel);
      button.setAttribute("aria-label", `Cancel ${side}, ${formatCount(toUnits(row.remaining, 2))} left`);
      button.addEventListener("click", () => options.onCancel(row));
      last.append(button);
    } else if (row.error || row.ended) {
      last.dataset.reason = "";
      last.textContent = row.error || row.ended;
      last.title = row.error || row.ended;
    }
    line.append(last);
    return line;
  }

  /** @param {Row} row */
  function fillRow(row) {
    const line = document.createElement("tr");
    const isBid = row.book_side === "bid";
    line.append(
      cell(clock.format(row.traded_ms)),
      badge(`BUY ${row.outcome_side.toUpperCase()}`, isBid ? "buy" : "sell"),
      cell(formatCount(toUnits(row.count, 2)), "num"),
      cell(priceText(toUnits(row.outcome_price, 4)), "num"),
      cell(row.is_taker ? "taker" : "maker"),
      cell(formatMoney(toUnits(row.fee, 6)), "num"),
      cell(""),
      cell(""),
      cell(""),
    );
    return line;
  }

  function draw() {
    const groups = {
      working: /** @type {Row[]} */ ([]),
      unknown: /** @type {Row[]} */ ([]),
      done: /** @type {Row[]} */ ([]),
    };
    for (const row of orders) groups[/** @type {"working" | "unknown" | "done"} */ (tabOf(row))].push(row);
    const counts = {
      working: groups.working.length,
      unknown: groups.unknown.length,
      done: groups.done.length,
      fills: fills.length,
    };
    for (const [name, count] of Object.entries(counts)) {
      const place = panel.querySelector(`[data-count="${name}"]`);
      if (place) place.textContent = String(count);
    }
    const kind = tab === "fills" || tab === "done" ? tab : "orders";
    const names = HEADS[kind];
    if (head.dataset.kind !== kind) {
      head.dataset.kind = kind;
      const line = document.createElement("tr");
      for (const name of names) {
        const th = document.createElement(name ? "th" : "td");
        if (name) th.setAttribute("scope", "col");
        th.textContent = name;
        if (NUMERIC.has(name)) th.className = "num";
        line.append(th);
      }
      head.replaceChildren(line);
    }
    const rows =
      tab === "fills"
        ? [...fills].sort((a, b) => b.traded_ms - a.traded_ms)
        : [...groups[tab]].sort((a, b) => (b.created_ms ?? 0) - (a.created_ms ?? 0));
    const make = tab === "fills" ? fillRow : orderRow;
    keyed.show(rows.slice(0, SHOWN_AT_MOST).map((row) => ({ key: row.key, of: row, make: () => make(row) })));
    more.hidden = rows.length <= SHOWN_AT_MOST;
    if (!more.hidden) /** @type {HTMLElement} */ (more.firstElementChild).textContent = formatCount(rows.length * 100);
    head.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    empty.textContent = EMPTY[tab];
    if (cancelAll) {
      const working = groups.working.filter((row) => row.order_id);
      cancelAll.disabled = working.length === 0;
      cancelAll.textContent = working.length ? `Cancel all ${working.length} here` : "Cancel all here";
    }
  }

  for (const button of panel.querySelectorAll("[data-orders-tab]")) {
    button.addEventListener("click", () => {
      keyed.forget();
      tab = /** @type {Tab} */ (/** @type {HTMLElement} */ (button).dataset.ordersTab);
      for (const other of panel.querySelectorAll("[data-orders-tab]"))
        other.setAttribute("aria-current", String(other === button));
      draw();
    });
  }
  cancelAll?.addEventListener("click", () =>
    options.onCancelAll(orders.filter((row) => tabOf(row) === "working" && row.order_id)),
  );
  draw();

  return {
    /** @param {Row[]} rows */
    showOrders(rows) {
      orders = rows;
      draw();
    },
    /** @param {Row[]} rows */
    showFills(rows) {
      fills = rows;
      draw();
    },
    /** What is shown, in the present look. */
    draw() {
      keyed.forget();
      draw();
    },
  };
}
