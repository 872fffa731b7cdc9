/** The scale on which the possible prices, or the book, stand with what is independent, best and wanted. */
import { element } from "../frame/dom.js";
import { formatPrice } from "../core/fixed.js";
import { scaleOf } from "./bounds-model.js";

const CENT = 100;

/** @typedef {{units: number, text: string, kind: "independent" | "best" | "limit"}} Mark */

/**
 * @param {{from: number, to: number, fromText: string, toText: string, marks: Mark[], note?: string, isClose?: boolean,
 *   format: import("../core/fixed.js").PriceFormat}} facts units of 1/10,000 dollar; isClose: not the whole scale
 */
export function boundsBar({ from, to, fromText, toText, marks, note = "", isClose = false, format }) {
  const words = (/** @type {number} */ units) => formatPrice(units, { format, step: 10 });
  const [low, high] = scaleOf([from, to, ...marks.map(({ units }) => units)], isClose);
  const at = (/** @type {number} */ units) => String((units - low) / (high - low));
  const end = (/** @type {number} */ units) =>
    element("span", { class: "bounds__end num", text: formatPrice(units, { format, step: CENT }) });
  const range = element("span", { class: "bounds__range" });
  range.style.setProperty("--from", at(from));
  range.style.setProperty("--to", at(to));
  const track = element("div", { class: "bounds__track" }, [range]);
  for (const mark of marks) {
    const dot = element("span", { class: `bounds__mark bounds__mark--${mark.kind}` });
    dot.style.setProperty("--at", at(mark.units));
    track.append(dot);
  }
  const scale = element("div", { class: "bounds__scale", attributes: { "aria-hidden": "true" } }, [
    end(low),
    track,
    end(high),
  ]);
  const above = element(
    "p",
    { class: "bounds__words num" },
    marks.map((mark) =>
      element("span", { class: `bounds__word--${mark.kind}`, text: `${words(mark.units)} ${mark.text}` }),
    ),
  );
  const below = element("p", { class: "bounds__words num" }, [
    element("span", { class: "bounds__word--range", text: `${words(from)} ${fromText}` }),
    element("span", { class: "bounds__word--range", text: `${words(to)} ${toText}` }),
  ]);
  const nodes = [above, scale, below];
  if (note) nodes.push(element("p", { class: "badge badge--warning bounds__note", text: note }));
  return element("div", { class: "bounds" }, nodes);
}
