/**
 * Chances of an event's outcomes over time, one line each, on lightweight-charts. Display only: the chart
 * works in binary numbers, so nothing here is ever sent or added up.
 */
import { LineSeries, createChart } from "../../vendor/lightweight-charts.js";

/** @typedef {{end_ts: number, close: string | null, bid: string | null, ask: string | null}} Candle */
/** @typedef {import("lightweight-charts").UTCTimestamp} UTCTimestamp */

/** The middle of the closing quotes says more than a trade of hours ago. @param {Candle} candle */
function percent({ bid, ask, close }) {
  const hasBoth = bid !== null && ask !== null && Number(bid) > 0 && Number(ask) < 1;
  if (hasBoth) return (Number(bid) + Number(ask)) * 50;
  return close === null ? null : Number(close) * 100;
}

/**
 * @param {HTMLElement} root
 * @param {{zone: string, colors: string[]}} options names of CSS custom properties, one per line
 */
export function createChancesChart(root, { zone, colors }) {
  const token = (/** @type {string} */ name) => getComputedStyle(root).getPropertyValue(name).trim();
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
  const chart = createChart(root, {
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      fontFamily: "Inter Variable, sans-serif",
      fontSize: 11,
      attributionLogo: false,
    },
    grid: { vertLines: { visible: false } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.03, bottom: 0.03 } },
    timeScale: {
      borderVisible: false,
      timeVisible: true,
      secondsVisible: false,
      tickMarkFormatter: (/** @type {number} */ time, /** @type {number} */ kind) =>
        (kind < 3 ? day : clock).format(time * 1000),
    },
    localization: { timeFormatter: (/** @type {number} */ time) => full.format(time * 1000) },
    handleScale: { mouseWheel: false },
  });
  /** @type {import("lightweight-charts").ISeriesApi<"Line">[]} */
  const lines = colors.map(() =>
    chart.addSeries(LineSeries, {
      lineWidth: 2,
      priceLineVisible: false,
      crosshairMarkerRadius: 3,
      // A chance lies between 0 and 100 %: the axis has no room beyond.
      autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 100 } }),
      priceFormat: { type: "custom", minMove: 0.1, formatter: (/** @type {number} */ value) => `${value.toFixed(1)}%` },
    }),
  );

  function paint() {
    chart.applyOptions({
      layout: { textColor: token("--color-muted") },
      grid: { horzLines: { color: token("--color-line") } },
      crosshair: {
        vertLine: { color: token("--color-line-strong") },
        horzLine: { color: token("--color-line-strong") },
      },
    });
    lines.forEach((line, index) => line.applyOptions({ color: token(colors[index] ?? "--color-accent") }));
  }
  const watching = new MutationObserver(paint);
  watching.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-palette"] });
  paint();

  return {
    /** @param {Candle[][]} all ascending, one list per line @returns {boolean} whether there is anything to see */
    show(all) {
      let points = 0;
      lines.forEach((line, index) => {
        const data = (all[index] ?? []).flatMap((candle) => {
          const value = percent(candle);
          return value === null ? [] : [{ time: /** @type {UTCTimestamp} */ (candle.end_ts), value }];
        });
        points = Math.max(points, data.length);
        line.setData(data);
      });
      chart.timeScale().fitContent();
      return points > 1;
    },
  };
}
