/** The third panel: realised results by day and by event, and what settles next; each with its figures as a table. */
import { formatMoney, toUnits } from "../core/fixed.js";
import { element } from "../frame/dom.js";
import { slotsOf } from "./bars-model.js";
import { drawBars } from "./svg.js";

/** @typedef {import("./row-model.js").PositionRow} PositionRow */

const BARS_PX = 100;
const CALENDAR_AT_MOST = 60;

const money = (/** @type {string} */ raw) => formatMoney(toUnits(raw, 6));
const signed = (/** @type {number} */ units) => formatMoney(units, { signed: true });
const tone = (/** @type {number} */ units) => (units > 0 ? "num gain" : units < 0 ? "num loss" : "num");

/** @param {string[]} heads the first is text, the rest figures @param {HTMLElement[]} rows @param {string} label */
function table(heads, rows, label) {
  const cells = heads.map((text, at) => element("th", { text, class: at ? "num" : "", attributes: { scope: "col" } }));
  return element("table", { class: "table portfolio__table", attributes: { "aria-label": label } }, [
    element("thead", {}, [element("tr", {}, cells)]),
    element("tbody", {}, rows),
  ]);
}

/** @param {(string | Node)[]} cells the first is the row's head @param {string[]} css */
const line = (cells, css = []) =>
  element(
    "tr",
    {},
    cells.map((cell, at) =>
      element(
        at ? "td" : "th",
        { class: css[at] ?? (at ? "num" : "table__text"), attributes: at ? {} : { scope: "row" } },
        [cell],
      ),
    ),
  );

const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
/** @param {string} iso a trading day, which has no zone of the person's */
const dayWords = (iso) => DAY.format(Date.parse(iso));

/** @param {string} text */
const nothing = (text) => element("p", { class: "portfolio__nothing", text });

/**
 * @param {HTMLElement} place
 * @param {{days: Record<string, any>[], first_day: string, last_day: string}} found
 */
export function showDays(place, { days, first_day: first, last_day: last }) {
  if (!days.length) return place.replaceChildren(nothing("Nothing was traded or settled in this period."));
  const { count, slotOf } = slotsOf(first, last);
  const bars = days.map((day) => {
    const value = toUnits(day["net"], 6);
    const fees = toUnits(day["fees"], 6) + toUnits(day["settlement_fees"], 6);
    const parts = `realised ${money(day["realized"])}, fees ${formatMoney(fees)}`;
    return {
      slot: slotOf(day["day"]),
      value,
      amount: signed(value),
      words: `${day["day"]}: ${signed(value)}; ${parts}`,
    };
  });
  const width = Math.max(200, place.clientWidth - 20);
  const label = "Realised less fees by trading day; the table below has the figures";
  const drawing = element("div", { class: "portfolio__bars" });
  drawing.append(
    drawBars(bars, { slots: count, first: dayWords(first), last: dayWords(last), width, height: BARS_PX, label }),
  );
  const rows = days
    .map((day) => {
      const net = toUnits(day["net"], 6);
      const fees = toUnits(day["fees"], 6) + toUnits(day["settlement_fees"], 6);
      return line(
        [
          day["day"],
          signed(net),
          signed(toUnits(day["realized"], 6)),
          formatMoney(fees),
          day["fills"].toLocaleString("en"),
        ],
        ["", tone(net)],
      );
    })
    .reverse();
  place.replaceChildren(
    drawing,
    table(["Trading day", "Net realised", "Realised", "Fees", "Fills"], rows, "Realised results by trading day"),
  );
}

/**
 * @param {HTMLElement} place
 * @param {Record<string, any>[]} events
 * @param {number} leftOut
 */
export function showEvents(place, events, leftOut) {
  if (!events.length) return place.replaceChildren(nothing("Nothing was traded or settled in this period."));
  const rows = events.map((event) => {
    const net = toUnits(event["net"], 6);
    const fees = toUnits(event["fees"], 6) + toUnits(event["settlement_fees"], 6);
    const isKnown = event["title"] !== "";
    const name = isKnown
      ? element("a", {
          class: "link",
          text: event["title"],
          attributes: { href: `/markets/events/${encodeURIComponent(event["event"])}/`, title: event["event"] },
        })
      : event["event"];
    return line(
      [
        name,
        signed(net),
        signed(toUnits(event["realized"], 6)),
        formatMoney(fees),
        event["fills"].toLocaleString("en"),
      ],
      ["table__text", tone(net)],
    );
  });
  const rest = leftOut ? [nothing(`${leftOut} more events with smaller results.`)] : [];
  place.replaceChildren(
    table(["Event", "Net realised", "Realised", "Fees", "Fills"], rows, "Realised results by event"),
    ...rest,
  );
}

/**
 * What settles next, by day in the person's own zone.
 * @param {HTMLElement} place
 * @param {{name: string, href: string, settlesMs: number | null, positions: number, cost: number, worst: number, best: number}[]} events
 * @param {{zone: string, now: number}} options
 */
export function showCalendar(place, events, { zone, now }) {
  if (!events.length) return place.replaceChildren(nothing("No open position waits for a result."));
  const day = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const sorted = [...events].sort((one, other) => (one.settlesMs ?? Infinity) - (other.settlesMs ?? Infinity));
  /** @type {HTMLElement[]} */
  const rows = [];
  let last = "";
  for (const event of sorted.slice(0, CALENDAR_AT_MOST)) {
    const heading =
      event.settlesMs === null
        ? "No date known"
        : event.settlesMs < now
          ? "Due: waiting for a result"
          : day.format(event.settlesMs);
    if (heading !== last) {
      const cell = element("th", {
        text: heading,
        class: "portfolio__date",
        attributes: { scope: "colgroup", colspan: "5" },
      });
      rows.push(element("tr", {}, [cell]));
      last = heading;
    }
    const name = event.href
      ? element("a", { class: "link", text: event.name, attributes: { href: event.href } })
      : event.name;
    rows.push(
      line(
        [
          name,
          event.settlesMs === null ? "-" : time.format(event.settlesMs),
          formatMoney(event.cost),
          signed(event.worst),
          signed(event.best),
        ],
        ["table__text", "num", "num", tone(event.worst), tone(event.best)],
      ),
    );
  }
  const more = sorted.length - CALENDAR_AT_MOST;
  const rest = more > 0 ? [nothing(`${more} more events later.`)] : [];
  place.replaceChildren(table(["Event", "Time", "Cost", "Worst", "Best"], rows, "Settlements ahead"), ...rest);
}

/** Tabs by click and arrow keys. @param {HTMLElement} root @param {(name: string) => void} onShow */
export function wireTabs(root, onShow) {
  const tabs = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[role=tab]")]);
  const choose = (/** @type {HTMLElement} */ tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      const panel = root.querySelector(`[data-panel="${one.dataset["tab"]}"]`);
      if (panel) /** @type {HTMLElement} */ (panel).hidden = one !== tab;
    }
    onShow(tab.dataset["tab"] ?? "");
  };
  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const next = tabs[(at + step + tabs.length) % tabs.length];
      if (!step || !next) return;
      event.preventDefault();
      next.focus();
      choose(next);
    });
  }
}
