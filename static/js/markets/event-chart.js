/**
 * Lines over time on lightweight-charts: the chances of an event's outcomes, or its forecast. Display only: the chart
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
  const chart = createLinesChart(root, {
    zone,
    lines: colors.map((color) => ({ color, width: 2 })),
    format: (value) => `${value.toFixed(1)}%`,
    // A chance lies between 0 and 100 %: the axis has no room beyond.
    range: { minValue: 0, maxValue: 100 },
  });
  return {
    /** @param {Candle[][]} all ascending, one list per line @returns {boolean} whether there is anything to see */
    show: (all) =>
      chart.show(
        all.map((candles) =>
          candles.flatMap((candle) => {
            const value = percent(candle);
            return value === null ? [] : [{ time: candle.end_ts, value }];
          }),
        ),
      ),
  };
}

/**
 * @param {HTMLElement} root
 * @param {{zone: string, lines: {color: string, width: 1 | 2 | 3, style?: 0 | 1 | 2}[], format: (value: number) => string, minMove?: number,
 *   range?: {minValue: number, maxValue: number}}} options
 *   color: name of a CSS custom property; style: 0 solid, 1 dotted, 2 dashed
 */
export function createLinesChart(root, { zone, lines: kinds, format, minMove = 0.1, range }) {
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
    rightPriceScale: {
      borderVisible: false,
      scaleMargins: range ? { top: 0.03, bottom: 0.03 } : { top: 0.1, bottom: 0.1 },
    },
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
  const lines = kinds.map(({ width, style = 0 }) =>
    chart.addSeries(LineSeries, {
      lineWidth: width,
      lineStyle: style,
      priceLineVisible: false,
      crosshairMarkerRadius: 3,
      priceFormat: { type: "custom", minMove, formatter: format },
      ...(range && { autoscaleInfoProvider: () => ({ priceRange: range }) }),
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
    lines.forEach((line, index) => line.applyOptions({ color: token(kinds[index]?.color ?? "--color-accent") }));
  }
  const watching = new MutationObserver(paint);
  watching.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-palette"] });
  paint();

  return {
    /** @param {{time: number, value: number}[][]} all ascending, one list per line @returns {boolean} whether there is anything to see */
    show(all) {
      let points = 0;
      lines.forEach((line, index) => {
        const data = (all[index] ?? []).map(({ time, value }) => ({
          time: /** @type {UTCTimestamp} */ (time),
          value,
        }));
        points = Math.max(points, data.length);
        line.setData(data);
      });
      chart.timeScale().fitContent();
      return points > 1;
    },
  };
}
