/** The three panels of charts: equity, exposure, and results with settlements ahead. */
import { element, setText } from "../frame/dom.js";
import { createEquityChart } from "./equity-chart.js";
import { createPace, exposureItems } from "./exposure-model.js";
import { showCalendar, showDays, showEvents, wireTabs } from "./panels.js";
import { drawMap } from "./svg.js";

/** @typedef {import("./row-model.js").GroupRow} GroupRow */

const DRAW_MS = 2_000; // the map and the calendar follow moved figures at most this often
const READ_MS = 10_000; // results are read again at most this often
const POINT_MS = 15_000;

/**
 * @param {HTMLElement} root
 * @param {{zone: string, now: () => number}} options
 */
export function createCharts(root, { zone, now }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  const panel = (/** @type {string} */ name) => find(`[data-panel="${name}"]`);
  const { equityUrl = "", resultsUrl = "" } = root.dataset;
  const period = /** @type {HTMLSelectElement} */ (find("[data-results-span]"));
  const chart = createEquityChart(find("[data-equity]"), { zone });
  /** @type {GroupRow[]} */
  let events = [];
  let span = "1d";
  let drawn = "";
  const pace = createPace(DRAW_MS);
  let pointAt = 0;
  let readAt = 0;
  let points = 0;
  let isDue = false;

  /** @param {string} address */
  async function read(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) throw new Error(`The desk answered ${answer.status}.`);
    return answer.json();
  }

  async function readEquity() {
    const note = find("[data-equity-note]");
    try {
      const asked = span;
      const found = await read(`${equityUrl}?span=${asked}`);
      if (asked !== span) return;
      chart.show(found.points);
      points = found.points.length;
      showNote();
    } catch (error) {
      setText(note, `could not be read: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** One point is no curve. */
  const showNote = () => setText(find("[data-equity-note]"), points > 1 ? "" : "a point a minute, from now on");

  async function readResults() {
    readAt = performance.now();
    try {
      const found = await read(`${resultsUrl}?span=${period.value}`);
      showDays(panel("days"), found);
      showEvents(panel("events"), found.events, found.events_left_out);
    } catch (error) {
      const words = `Results could not be read: ${error instanceof Error ? error.message : error}`;
      panel("days").replaceChildren(
        element("p", { class: "portfolio__nothing", text: words, attributes: { role: "alert" } }),
      );
    }
  }

  function drawExposure() {
    const place = find("[data-treemap]");
    const items = exposureItems(events);
    const { clientWidth, clientHeight } = place;
    const next = JSON.stringify([items, clientWidth, clientHeight]);
    if (next === drawn || !clientWidth) return;
    drawn = next;
    if (!items.length) {
      place.replaceChildren(
        element("p", { class: "portfolio__nothing", text: "Nothing is at stake: no open position." }),
      );
      return;
    }
    place.replaceChildren(drawMap(items, clientWidth, clientHeight));
  }

  function drawLive() {
    drawExposure();
    showCalendar(panel("calendar"), events, { zone, now: now() });
  }

  for (const button of root.querySelectorAll("[data-span]")) {
    button.addEventListener("click", () => {
      span = button.getAttribute("data-span") ?? "1d";
      for (const one of root.querySelectorAll("[data-span]")) one.setAttribute("aria-pressed", String(one === button));
      void readEquity();
    });
  }
  period.addEventListener("change", () => void readResults());
  wireTabs(root, (name) => (period.hidden = name === "calendar"));

  return {
    start() {
      void readEquity();
      void readResults();
    },
    /** @param {GroupRow[]} groups by event @param {import("./figures-model.js").Figures} found */
    show(groups, found) {
      events = groups;
      const at = performance.now();
      if (pace.isDue(at, groups)) drawLive();
      if (isDue && at - readAt >= READ_MS) {
        isDue = false;
        void readResults();
      }
      if (found.equity !== null && found.seenMs !== null && at - pointAt >= POINT_MS) {
        pointAt = at;
        chart.add(found.seenMs, found.equity);
        points += 1;
        showNote();
      }
    },
    /** Something was realised: results are read again soon. */
    changed: () => (isDue = true),
    resized: () => pace.again(),
  };
}
