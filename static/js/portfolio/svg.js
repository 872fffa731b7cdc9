/** Small drawings: the exposure map and bars of results. Display only; every drawing has a table beside it. */
import { layBars } from "./bars-model.js";
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

const LABEL_PX = 13;

/**
 * Bars above and below a line, one place per calendar day; the largest gain and loss and both ends are written out.
 * @param {{slot: number, value: number, words: string, amount: string}[]} days
 * @param {{slots: number, first: string, last: string, width: number, height: number, label: string}} room
 */
export function drawBars(days, { slots, first, last, width, height, label }) {
  const high = height - 2 * LABEL_PX;
  const { bars, zero } = layBars(days, { slots, width, height: high });
  const most = days.reduce((one, other) => (other.value > one.value ? other : one));
  const least = days.reduce((one, other) => (other.value < one.value ? other : one));
  const text = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ words, anchor = "start") =>
    shape("text", { x, y, class: "bars__label", "text-anchor": anchor }, [words]);
  const nodes = bars.map(({ day, ...place }) => {
    const at = { ...place, y: place.y + LABEL_PX, rx: 1 };
    return shape("g", {}, [
      shape("title", {}, [day.words]),
      shape("rect", { ...at, class: day.value >= 0 ? "bars__gain" : "bars__loss" }),
    ]);
  });
  const line = shape("line", { x1: 0, x2: width, y1: zero + LABEL_PX, y2: zero + LABEL_PX, class: "bars__line" });
  const scale = [
    ...(most.value > 0 ? [text(0, LABEL_PX - 4, `most ${most.amount}`)] : []),
    ...(least.value < 0 ? [text(width, LABEL_PX - 4, `least ${least.amount}`, "end")] : []),
    text(0, height - 2, first),
    text(width, height - 2, last, "end"),
  ];
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, [
    ...nodes,
    line,
    ...scale,
  ]);
}
