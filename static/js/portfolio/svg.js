/** Small drawings: the exposure map and bars of results. Display only; every drawing has a table beside it. */
import { treemap } from "./treemap-model.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, string | number>} attributes @param {(Node | string)[]} [children] */
export function shape(tag, attributes, children = []) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * @typedef {{name: string, size: number, tone: number, words: string, href: string}} MapItem
 *   size in any unit, tone -1 (loss) to 1 (gain)
 */

/**
 * @param {MapItem[]} items
 * @param {number} width
 * @param {number} height
 */
export function drawMap(items, width, height) {
  const tiles = treemap(items, (item) => item.size, width, height);
  const nodes = tiles.map(({ item, x, y, width: wide, height: high }) => {
    const level = Math.min(4, Math.ceil(Math.abs(item.tone) * 4));
    const css =
      item.tone > 0
        ? `map__tile map__tile--gain${level}`
        : item.tone < 0
          ? `map__tile map__tile--loss${level}`
          : "map__tile";
    const room = Math.floor((wide - 10) / 6.4);
    const texts = [];
    if (high > 20 && room >= 4) {
      texts.push(shape("text", { x: x + 6, y: y + 15, class: "map__name" }, [short(item.name, room)]));
      if (high > 36) texts.push(shape("text", { x: x + 6, y: y + 30, class: "map__words" }, [short(item.words, room)]));
    }
    const tile = shape("rect", {
      x: x + 1,
      y: y + 1,
      width: Math.max(0, wide - 2),
      height: Math.max(0, high - 2),
      rx: 2,
      class: css,
    });
    const title = shape("title", {}, [`${item.name}: ${item.words}`]);
    return shape("g", {}, [title, tile, ...texts]);
  });
  return shape(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": `Exposure by event, ${items.length} events; the table below lists them`,
    },
    nodes,
  );
}

/** @param {string} text @param {number} room */
const short = (text, room) => (text.length <= room ? text : `${text.slice(0, Math.max(1, room - 1))}…`);

/**
 * Bars above and below a line, one per day.
 * @param {{value: number, words: string}[]} bars
 * @param {number} width
 * @param {number} height
 * @param {string} label
 */
export function drawBars(bars, width, height, label) {
  const top = Math.max(0, ...bars.map((bar) => bar.value));
  const bottom = Math.min(0, ...bars.map((bar) => bar.value));
  const scale = (height - 8) / (top - bottom || 1);
  const zero = 4 + top * scale;
  const step = width / Math.max(bars.length, 8);
  const nodes = bars.map((bar, at) => {
    const high = Math.max(1, Math.abs(bar.value) * scale);
    const y = bar.value >= 0 ? zero - high : zero;
    const place = { x: at * step + 1, y, width: Math.max(1, step - 2), height: high, rx: 1 };
    return shape("g", {}, [
      shape("title", {}, [bar.words]),
      shape("rect", { ...place, class: bar.value >= 0 ? "bars__gain" : "bars__loss" }),
    ]);
  });
  const line = shape("line", { x1: 0, x2: width, y1: zero, y2: zero, class: "bars__line" });
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, [
    ...nodes,
    line,
  ]);
}
