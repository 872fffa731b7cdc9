/** The list of positions that differ from the exchange's, both numbers beside each other. */
import { formatAge } from "../core/age.js";
import { formatCount, formatFixed, toUnits } from "../core/fixed.js";
import { element, setText } from "../frame/dom.js";
import { ledgerAddress } from "./columns.js";

/**
 * @param {HTMLElement} panel
 * @param {Record<string, any>[]} rows of the frame `pnl`
 * @param {number} now
 */
export function showBreaks(panel, rows, now) {
  const certain = rows.filter((row) => row["is_certain"]);
  panel.hidden = certain.length === 0;
  setText(panel.querySelector("[data-breaks-count]"), String(certain.length));
  const told = JSON.stringify(certain.map((row) => [row, Math.floor((now - row["since_ms"]) / 60_000)]));
  if (panel.dataset["told"] === told) return;
  panel.dataset["told"] = told;
  panel.querySelector("[data-breaks-rows]")?.replaceChildren(...certain.map((row) => line(row, now)));
}

/** @param {Record<string, any>} row @param {number} now */
function line(row, now) {
  const { desk, exchange } =
    /** @type {{desk: Record<string, string | null>, exchange: Record<string, string | null>}} */ (row);
  const count = (/** @type {string | null | undefined} */ raw) => (raw ? formatCount(toUnits(raw, 2)) : "-");
  const money = (/** @type {string | null | undefined} */ raw) => {
    if (!raw) return "-";
    const units = toUnits(raw, 6);
    return `${units < 0 ? "-" : ""}$${formatFixed(Math.abs(units), 6, units % 10_000 ? 6 : 2)}`;
  };
  const cell = (/** @type {string} */ text, css = "num") => element("td", { class: css, text });
  const name = element("a", {
    class: "link",
    text: row["ticker"],
    attributes: { href: ledgerAddress(row["ticker"], row["subaccount"]) },
  });
  return element("tr", {}, [
    element("td", {}, [name]),
    cell(String(row["subaccount"])),
    cell(count(desk["contracts"])),
    cell(count(exchange["contracts"])),
    cell(money(desk["paid"])),
    cell(money(exchange["paid"])),
    cell(money(desk["fees"])),
    cell(money(exchange["fees"])),
    cell(row["since_ms"] === null ? "-" : `${formatAge(now - row["since_ms"])} ago`, ""),
    cell(`${row["cause"]} ${row["resolution"]}`, "portfolio__cause"),
  ]);
}
