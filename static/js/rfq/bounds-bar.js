/** The bar from 0 to 100 on which the possible prices, their product and the best quote stand. */
import { element } from "../frame/dom.js";
import { formatPrice } from "../core/fixed.js";

/** @typedef {{units: number, text: string, kind: "independent" | "best" | "limit"}} Mark */

/**
 * @param {{from: number, to: number, fromText: string, toText: string, marks: Mark[], note?: string,
 *   format: import("../core/fixed.js").PriceFormat}} facts units of 1/10,000 dollar
 */
export function boundsBar({ from, to, fromText, toText, marks, note = "", format }) {
  const words = (/** @type {number} */ units) => formatPrice(units, { format, step: 10 });
  const range = element("span", { class: "bounds__range" });
  range.style.setProperty("--from", String(from / 10_000));
  range.style.setProperty("--to", String(to / 10_000));
  const track = element("div", { class: "bounds__track", attributes: { "aria-hidden": "true" } }, [range]);
  for (const mark of marks) {
    const dot = element("span", { class: `bounds__mark bounds__mark--${mark.kind}` });
    dot.style.setProperty("--at", String(mark.units / 10_000));
    track.append(dot);
  }
  const above = element(
    "p",
    { class: "bounds__words num" },
    marks.map((mark) =>
      element("span", { class: `bounds__word--${mark.kind}`, text: `${words(mark.units)} ${mark.text}` }),
    ),
  );
  const below = element("p", { class: "bounds__words bounds__words--ends num" }, [
    element("span", { text: `${words(from)} ${fromText}` }),
    element("span", { text: `${words(to)} ${toText}` }),
  ]);
  const nodes = [above, track, below];
  if (note) nodes.push(element("p", { class: "badge badge--warning bounds__note", text: note }));
  return element("div", { class: "bounds" }, nodes);
}
