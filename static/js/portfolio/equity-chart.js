/** The equity curve on lightweight-charts. Display only: the chart works in binary numbers. */
import { AreaSeries, createChart } from "../../vendor/lightweight-charts.js";

import { formatMoney } from "../core/fixed.js";
import { shifted } from "./zone-shift.js";

/** @typedef {[number, string | null, string, string | null]} Point Unix ms; equity, cash, positions in dollars */
/** @typedef {import("../../vendor/lightweight-charts.js").UTCTimestamp} UTCTimestamp */

const LEAST_SPAN = 1; // dollars from the top of the chart to its bottom
const LEAST_SHARE = 0.0005; // of the equity

/** @param {string} name */
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {HTMLElement} root @param {{zone: string}} options */
export function createEquityChart(root, { zone }) {
  const chart = createChart(root, {
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      fontFamily: "Inter Variable, sans-serif",
      fontSize: 11,
      attributionLogo: false,
    },
    grid: { vertLines: { visible: false } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.08 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false },
    handleScroll: false,
    handleScale: false,
  });
  const area = chart.addSeries(AreaSeries, {
    lineWidth: 2,
    priceLineVisible: false,
    // A day that hardly moves is shown as a line that hardly moves, not stretched over cents.
    autoscaleInfoProvider: (/** @type {() => import("lightweight-charts").AutoscaleInfo | null} */ own) => {
      const found = own();
      if (!found?.priceRange) return found;
      const { minValue, maxValue } = found.priceRange;
      const missing = Math.max(LEAST_SPAN, Math.abs(maxValue) * LEAST_SHARE) - (maxValue - minValue);
      if (missing <= 0) return found;
      return { ...found, priceRange: { minValue: minValue - missing / 2, maxValue: maxValue + missing / 2 } };
    },
    priceFormat: {
      type: "custom",
      minMove: 0.01,
      formatter: (/** @type {number} */ dollars) => formatMoney(Math.round(dollars * 100), { places: 2 }),
    },
  });
  /** @type {UTCTimestamp} */
  let lastTime = /** @type {UTCTimestamp} */ (0);

  function paint() {
    chart.applyOptions({
      layout: { textColor: token("--color-muted") || "#8793a5" },
      grid: { horzLines: { color: token("--color-line") || "#1e2530" } },
    });
    const line = token("--palette-blue") || "#6ea8fe";
    area.applyOptions({ lineColor: line, topColor: `${line}40`, bottomColor: `${line}00` });
  }
  new MutationObserver(paint).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme", "data-palette"],
  });
  paint();

  const timeOf = (/** @type {number} */ ms) => /** @type {UTCTimestamp} */ (shifted(Math.floor(ms / 1000), zone));

  return {
    /** @param {Point[]} points oldest first */
    show(points) {
      /** @type {Map<number, {time: UTCTimestamp, value: number}>} */
      const known = new Map();
      for (const [ms, equity] of points)
        if (equity !== null) known.set(timeOf(ms), { time: timeOf(ms), value: Number(equity) });
      const data = [...known.values()].sort((one, other) => one.time - other.time);
      lastTime = data.at(-1)?.time ?? /** @type {UTCTimestamp} */ (0);
      area.setData(data);
      chart.timeScale().fitContent();
    },
    /** Go on with what is known now. @param {number} ms @param {number} units 1/1,000,000 dollar */
    add(ms, units) {
      const time = timeOf(ms);
      if (time < lastTime) return;
      lastTime = time;
      area.update({ time, value: units / 1_000_000 });
    },
  };
}
