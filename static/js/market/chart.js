/**
 * Candles, volume, own fills and working orders on lightweight-charts. Display only: the chart
 * works in binary numbers, so nothing here is ever sent or added up.
 */
import {
  CandlestickSeries,
  HistogramSeries,
  LineStyle,
  createChart,
  createSeriesMarkers,
} from "../../vendor/lightweight-charts.js";

import { formatCount, formatPrice } from "../core/fixed.js";

/**
 * @typedef {{end_ts: number, open: string | null, high: string | null, low: string | null,
 *   close: string | null, volume: string}} Candle prices in dollars, `end_ts` in Unix seconds
 */

const CENTS = 100;

/** @param {string} name */
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The chart shows hours and minutes in the person's own zone. @param {number} seconds @param {string} zone */
function shifted(seconds, zone) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(seconds * 1000);
  const of = (/** @type {string} */ type) => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) / 1000;
}

/**
 * @param {HTMLElement} root
 * @param {{zone: string, step: number, format: import("../core/fixed.js").PriceFormat}} options
 */
export function createMarketChart(root, options) {
  const chart = createChart(root, {
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      fontFamily: "Inter Variable, sans-serif",
      fontSize: 11,
      attributionLogo: false,
    },
    grid: { vertLines: { visible: false } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.24 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 4 },
    crosshair: { vertLine: { labelVisible: true }, horzLine: { labelVisible: true } },
  });
  const candles = chart.addSeries(CandlestickSeries, {
    borderVisible: false,
    priceFormat: {
      type: "custom",
      minMove: options.step < 100 ? 0.1 : 1,
      // The scale is drawn between grid prices as well: a tenth of a cent is fine enough to read.
      formatter: (/** @type {number} */ cents) =>
        formatPrice(Math.round(cents * 100), { format: options.format, step: Math.min(options.step, 10) }),
    },
  });
  const volume = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  const markers = createSeriesMarkers(candles, []);
  /** @type {Map<string, import("../../vendor/lightweight-charts.js").IPriceLine>} */
  const lines = new Map();
  /** @type {Candle[]} */
  let shown = [];
  let seconds = 60;

  function paint() {
    chart.applyOptions({
      layout: { textColor: token("--color-muted") || "#8793a5" },
      grid: { horzLines: { color: token("--color-line") || "#1e2530" } },
    });
    const up = token("--color-bid") || "#35c08b";
    const down = token("--color-ask") || "#f0616d";
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    setData();
  }

  /** @param {Candle} candle */
  const bar = (candle) => ({
    time: /** @type {import("../../vendor/lightweight-charts.js").UTCTimestamp} */ (
      shifted(candle.end_ts, options.zone)
    ),
    open: Number(candle.open) * CENTS,
    high: Number(candle.high) * CENTS,
    low: Number(candle.low) * CENTS,
    close: Number(candle.close) * CENTS,
  });
  /** @param {Candle} candle */
  const column = (candle) => ({
    time: /** @type {import("../../vendor/lightweight-charts.js").UTCTimestamp} */ (
      shifted(candle.end_ts, options.zone)
    ),
    value: Number(candle.volume),
    color: `color-mix(in srgb, ${Number(candle.close) >= Number(candle.open) ? token("--color-bid") : token("--color-ask")} 35%, transparent)`,
  });
  const isTraded = (/** @type {Candle} */ candle) => candle.close !== null && candle.open !== null;

  function setData() {
    const traded = shown.filter(isTraded);
    candles.setData(traded.map(bar));
    volume.setData(traded.map((candle) => ({ ...column(candle), color: mix(column(candle).color) })));
  }

  /** lightweight-charts draws on a canvas and knows no color-mix: let the browser compute it. @param {string} colour */
  function mix(colour) {
    const probe = document.createElement("i");
    probe.style.color = colour;
    root.append(probe);
    const computed = getComputedStyle(probe).color;
    probe.remove();
    const match = /color\(srgb ([\d.]+) ([\d.]+) ([\d.]+) \/ ([\d.]+)\)/.exec(computed);
    if (!match) return computed;
    const [red, green, blue] = match.slice(1, 4).map((part) => Math.round(Number(part) * 255));
    return `rgba(${red}, ${green}, ${blue}, ${match[4]})`;
  }

  new MutationObserver(paint).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme", "data-palette"],
  });
  paint();

  return {
    /** @param {Candle[]} list ascending @param {number} periodSeconds */
    setCandles(list, periodSeconds) {
      shown = list;
      seconds = periodSeconds;
      setData();
      const count = list.filter(isTraded).length;
      chart.timeScale().setVisibleLogicalRange({ from: Math.max(0, count - 120), to: count + 4 });
    },
    /** Let a trade move the last bar. @param {{price: string, count: string, ts_ms: number}} trade */
    addTrade(trade) {
      const time = Math.ceil((trade.ts_ms / 1000 + 0.001) / seconds) * seconds;
      const newest = shown.at(-1);
      if (newest && newest.end_ts > time) return;
      if (!newest || newest.end_ts < time || newest.close === null) {
        shown.push({
          end_ts: time,
          open: trade.price,
          high: trade.price,
          low: trade.price,
          close: trade.price,
          volume: trade.count,
        });
      } else {
        newest.close = trade.price;
        if (Number(trade.price) > Number(newest.high)) newest.high = trade.price;
        if (Number(trade.price) < Number(newest.low)) newest.low = trade.price;
        newest.volume = String(Number(newest.volume) + Number(trade.count));
      }
      const latest = /** @type {Candle} */ (shown.at(-1));
      candles.update(bar(latest));
      const next = column(latest);
      volume.update({ ...next, color: mix(next.color) });
    },
    /** @param {import("./price-lines.js").PriceLine[]} orders */
    setOrders(orders) {
      const wanted = new Set(orders.map((order) => order.key));
      for (const [key, line] of lines) {
        if (!wanted.has(key)) {
          candles.removePriceLine(line);
          lines.delete(key);
        }
      }
      for (const order of orders) {
        const known = lines.get(order.key);
        if (known) {
          if (known.options().title !== order.label) known.applyOptions({ title: order.label });
          continue;
        }
        lines.set(
          order.key,
          candles.createPriceLine({
            price: Number(order.price) * CENTS,
            color: token(order.isBuy ? "--color-accent" : "--color-ask"),
            lineStyle: LineStyle.Dashed,
            lineWidth: 1,
            axisLabelVisible: false,
            title: order.label,
          }),
        );
      }
    },
    /** @param {{time: number, isBuy: boolean, count: number}[]} fills time in Unix seconds, count 1/100 */
    setFills(fills) {
      const first = shown[0]?.end_ts ?? Infinity;
      /** One arrow per bar and side, with the contracts of all its fills. @type {Map<string, {end: number, isBuy: boolean, count: number}>} */
      const bars = new Map();
      for (const fill of fills) {
        if (fill.time < first - seconds) continue;
        const end = Math.ceil(fill.time / seconds) * seconds;
        const key = `${end}:${fill.isBuy}`;
        const known = bars.get(key);
        if (known) known.count += fill.count;
        else bars.set(key, { end, isBuy: fill.isBuy, count: fill.count });
      }
      markers.setMarkers(
        [...bars.values()]
          .sort((one, other) => one.end - other.end)
          .map(({ end, isBuy, count }) => ({
            time: /** @type {import("../../vendor/lightweight-charts.js").UTCTimestamp} */ (shifted(end, options.zone)),
            position: isBuy ? "belowBar" : "aboveBar",
            shape: isBuy ? "arrowUp" : "arrowDown",
            color: token(isBuy ? "--color-bid" : "--color-ask"),
            text: formatCount(count),
          })),
      );
    },
  };
}
