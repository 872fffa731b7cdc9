/** Writes the figures at the head of the page, and says in each title where it comes from. */
import { formatAge } from "../core/age.js";
import { formatFixed, formatMoney } from "../core/fixed.js";
import { setAttribute, setText } from "../frame/dom.js";

/** @typedef {import("./figures-model.js").Figures} Figures */

/** @param {number | null} units all six places, for titles */
const exact = (units) =>
  units === null ? "not known" : `${units < 0 ? "-" : ""}$${formatFixed(Math.abs(units), 6, 6)}`;

/**
 * @param {HTMLElement} root
 * @param {Figures} found
 * @param {Record<string, any> | null} pnl
 * @param {{now: number, unmarked: number, isLive: boolean}} facts
 */
export function showFigures(root, found, pnl, { now, unmarked, isLive }) {
  const age = found.seenMs === null ? "never read" : `read ${formatAge(now - found.seenMs)} ago`;
  const day = pnl?.["day"] ?? "";
  const start = pnl?.["start"];
  const since = start
    ? `Measured from ${new Date(start["at_ms"]).toUTCString()}.`
    : "Nothing was kept from the beginning of the day yet.";
  const marks = unmarked
    ? `${unmarked} positions have no mark, so it is not known.`
    : isLive
      ? "At the desk's live marks."
      : "At stale marks.";
  /** @type {[string, number | null, boolean, string][]} */
  const shown = [
    [
      "equity",
      found.equity,
      false,
      `${exact(found.equity)}: cash, what resting orders lock (estimated), and positions at the exchange's mark.`,
    ],
    [
      "cash",
      found.cash,
      false,
      `${exact(found.cash)}: what orders may use, as the exchange reported it, ${age}. The Cash page lists what moved it.`,
    ],
    [
      "reserved",
      found.reserved,
      false,
      `${exact(found.reserved)}: the desk's estimate from the resting orders; the exchange does not tell it.`,
    ],
    [
      "positions",
      found.positions,
      false,
      `${exact(found.positions)}: portfolio value as the exchange reported it, ${age}.`,
    ],
    ["day", found.day, true, `${exact(found.day)}: realised and unrealised less fees. ${since}`],
    [
      "realised",
      found.realised,
      true,
      `${exact(found.realised)}: before fees, from the desk's fills and settlements of ${day}.`,
    ],
    [
      "unrealised",
      found.unrealised,
      true,
      `${exact(found.unrealised)}: change of value less cost of open positions. ${marks} ${since}`,
    ],
    [
      "fees",
      found.fees,
      false,
      `${exact(found.fees)} charged by the exchange: trade fees ${exact(found.tradeFees)}, rounding ${exact(found.rounding)}, rebates -${exact(found.rebates)}, other ${exact(found.otherFees)}, at settlements ${exact(found.settlementFees)}. The split is the desk's estimate, the sum the exchange's.`,
    ],
    [
      "rounding",
      found.rounding,
      false,
      `${exact(found.rounding)}: the part of the fees that rounding to a cent took, by the desk's fee model.`,
    ],
    ["rebates", found.rebates, false, `${exact(found.rebates)}: given back of it, by the desk's fee model.`],
  ];
  for (const [name, value, isSigned, words] of shown) {
    const node = root.querySelector(`[data-amount="${name}"]`);
    setText(node, value === null ? "-" : formatMoney(value, { signed: isSigned }));
    setAttribute(node, "title", words);
    if (isSigned)
      setAttribute(node, "class", `num ${(value ?? 0) > 0 ? "gain" : (value ?? 0) < 0 ? "loss" : ""}`.trim());
  }
  const more = (/** @type {string} */ name, /** @type {string} */ words) =>
    setText(root.querySelector(`[data-more="${name}"]`), words);
  more(
    "cash",
    found.seenMs === null ? "not read yet" : now - found.seenMs > 60_000 ? `stale, ${age}` : "free for orders",
  );
  const fills = pnl?.["total"]?.["fills"] ?? 0;
  more("realised", `${fills.toLocaleString("en")} ${fills === 1 ? "fill" : "fills"}`);
  more(
    "unrealised",
    unmarked
      ? `${unmarked} without a mark`
      : start
        ? isLive
          ? "since midnight"
          : "marks are stale"
        : "no start kept yet",
  );
  more("fees", found.otherFees ? `as charged, ${formatMoney(found.otherFees)} not split` : "as charged");
}
