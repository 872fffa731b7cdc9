/**
 * Our quote as it is typed: two bids on the market's grid, what they risk, and what is wrong with them before
 * anything is asked. The desk's own checks decide. Integers of the wire's units. No DOM here.
 */
import { DOLLAR, PRICE_PLACES, formatCount, formatPrice, fromUnits } from "../../core/fixed.js";
import { mirrored, stepFrom } from "../../market/grid.js";
import { readPrice } from "../../market/ticket-model.js";
import { countUnits, moneyUnits, priceUnits, roundMoney, stepOf } from "../confirm/words.js";
import { edges } from "./incoming-model.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {"yes" | "no"} Side */
/** @typedef {"both" | "yes" | "no"} Sides */

/**
 * @typedef {object} Draft as typed
 * @property {string} yes
 * @property {string} no
 * @property {Sides} sides
 * @property {"manual" | "auto" | "lapse"} policy
 * @property {boolean} insists a person confirms although there is hardly time
 * @property {string} maxMove
 * @property {string} endsIn seconds, "" none
 * @property {boolean} postOnly
 * @property {boolean} restRemainder
 */

export const WINDOW_S = { combo: 3, standard: 30 };
const TENTH = 10;

/** All tenths of a cent: to step along while a market's own grid is not known. */
export const TENTHS = Array.from({ length: DOLLAR / TENTH - 1 }, (_, at) => (at + 1) * TENTH);

/** The grid of one side: a NO bid is an ask of YES at a dollar less. @param {number[]} prices @param {Side} side */
export const sideGrid = (prices, side) => (side === "yes" ? prices : mirrored(prices));

/**
 * The bid `steps` away on the side's grid; from nothing it starts at the suggestion, or in the middle.
 * @param {string} text @param {number} steps @param {number[]} grid of the side @param {number | null} start
 */
export function movedBid(text, steps, grid, start) {
  const read = readPrice(text);
  if ("units" in read) return typed(stepFrom(grid, read.units, steps));
  return typed(start ?? grid[Math.floor(grid.length / 2)] ?? DOLLAR / 2);
}

/** Cents as they are typed. @param {number} units */
export const typed = (units) => formatPrice(units, { step: stepOf(units), unit: false });

/** @param {Sides} sides @param {Side} side */
export const isQuoted = (sides, side) => sides === "both" || sides === side;

/**
 * One bid. Nothing typed on a side that is quoted is a fault.
 * @param {string} text @param {number[] | null} grid of the side, null when it is not known
 * @returns {{units: number, fault: string}}
 */
export function readBid(text, grid) {
  const read = readPrice(text);
  if ("error" in read) return { units: 0, fault: read.error };
  if (!grid || grid.includes(read.units)) return { units: read.units, fault: "" };
  const below = grid.findLast((price) => price < read.units);
  const lower = below === undefined ? "" : ` The next lower one is ${typed(below)}¢.`;
  return { units: read.units, fault: `${typed(read.units)}¢ is between this market's steps.${lower}` };
}

/** What a taker of both sides loses; null while one is missing. @param {number} yes @param {number} no */
export const widthOf = (yes, no) => (yes && no ? DOLLAR - yes - no : null);

/**
 * The width in words, with its guard.
 * @param {number | null} width price units
 * @returns {{text: string, tone: "" | "warning" | "danger"}}
 */
export function widthWords(width) {
  if (width === null) return { text: "- (one side)", tone: "" };
  const size = `${typed(Math.abs(width))}¢`;
  if (width < 0) return { text: `${size} over $1: whoever takes both sides earns that`, tone: "danger" };
  if (width === 0) return { text: "0¢: nothing is earned between the sides", tone: "warning" };
  return { text: size, tone: "" };
}

/**
 * Contracts that a hit of this side can bring at most, 1/100; null: not known. A target cost bounds them by either
 * reading: the requester's price, or our own bid.
 * @param {Row} row of the incoming stream @param {number} bid
 */
export function worstContracts(row, bid) {
  if (!bid) return null;
  const contracts = countUnits(row["contracts"]);
  if (contracts) return contracts;
  const target = moneyUnits(row["target_cost"]);
  // Micro-dollars over 1/10,000 dollar: hundreds of contracts, which is 1/100 contract after the scale.
  return target ? Math.ceil(target / Math.min(bid, DOLLAR - bid)) : null;
}

/** "1,200 YES", "flat". @param {number} position */
function heldWords(position) {
  if (position === 0) return "flat";
  return `${formatCount(Math.abs(position))} ${position > 0 ? "YES" : "NO"}`;
}

/**
 * What a hit of one side would do.
 * @param {Row} row @param {Side} side @param {number} bid 0: not quoted
 * @returns {{contracts: string, cost: string, after: string, risk: string, edge: number | null}}
 */
export function hit(row, side, bid) {
  const contracts = worstContracts(row, bid);
  const fair = priceUnits(row["fair"]);
  const edge = edges(fair, side === "yes" ? bid : null, side === "no" ? bid : null)[side];
  if (contracts === null) return { contracts: "-", cost: "-", after: "-", risk: "-", edge };
  const position = countUnits(row["position"]);
  const after = position === null ? null : position + (side === "yes" ? contracts : -contracts);
  const isSame = after !== null && after > 0 === (side === "yes");
  return {
    contracts: formatCount(contracts),
    cost: roundMoney(contracts * bid),
    after: after === null ? "not known" : heldWords(after),
    risk: after === null ? "not known" : roundMoney(Math.abs(after) * (isSame ? bid : DOLLAR - bid)),
    edge,
  };
}

/**
 * The draft as exact values for `quote.send`, or what is wrong with it by field.
 * @param {Draft} draft @param {Row} row @param {number[] | null} prices the market's grid, null when not known
 * @returns {{values: Record<string, unknown> | null, faults: Record<string, string>, yes: number, no: number}}
 */
export function readQuote(draft, row, prices) {
  /** @type {Record<string, string>} */
  const faults = {};
  const bid = (/** @type {Side} */ side) => {
    if (!isQuoted(draft.sides, side)) return 0;
    const read = readBid(draft[side], prices && sideGrid(prices, side));
    if (read.fault) faults[`${side}_bid`] = read.fault;
    return read.units;
  };
  const yes = bid("yes");
  const no = bid("no");
  const width = widthOf(yes, no);
  if (width !== null && width < 0 && !faults["yes_bid"])
    faults["yes_bid"] = `YES and NO are ${widthWords(width).text}.`;
  const window_ = row["is_combo"] ? WINDOW_S.combo : WINDOW_S.standard;
  const seconds = draft.endsIn.trim();
  if (seconds && !/^\d{1,5}$/.test(seconds)) faults["ends_in_s"] = "Whole seconds, such as 60.";
  else if (seconds && Number(seconds) < window_)
    faults["ends_in_s"] = `Shorter than the confirmation window of ${window_} s.`;
  let maxMove = 0;
  if (draft.policy === "auto") {
    const read = readPrice(draft.maxMove);
    if ("error" in read) faults["max_move"] = "How far may fair value move against us? In cents.";
    else maxMove = read.units;
  }
  if (draft.policy === "manual" && row["is_combo"] && !draft.insists)
    faults["policy"] =
      `There are ${WINDOW_S.combo} s to confirm: waiting for a person nearly always lapses. Insist, or choose automatic.`;
  if (Object.keys(faults).length) return { values: null, faults, yes, no };
  return {
    faults,
    yes,
    no,
    values: {
      rfq_id: row["rfq_id"],
      yes_bid: fromUnits(yes, PRICE_PLACES),
      no_bid: fromUnits(no, PRICE_PLACES),
      post_only: draft.postOnly,
      rest_remainder: draft.restRemainder,
      policy: draft.policy,
      ...(draft.policy === "auto" ? { max_move: fromUnits(maxMove, PRICE_PLACES) } : {}),
      ...(draft.policy === "manual" && row["is_combo"] ? { insists: true } : {}),
      ...(seconds ? { ends_in_s: Number(seconds) } : {}),
    },
  };
}

/** What the button sends, in words. @param {number} yes @param {number} no @param {boolean} isReplacing */
export function sendWords(yes, no, isReplacing) {
  const verb = isReplacing ? "Replace with" : "Quote";
  const sides = [yes ? `YES ${typed(yes)}¢` : "", no ? `NO ${typed(no)}¢` : ""].filter(Boolean);
  return sides.length ? `${verb} ${sides.join(" · ")}` : verb;
}

/** A draft to begin with: the suggestions, our open quote, or nothing. @param {Row} row @param {Row | undefined} open @returns {Draft} */
export function firstDraft(row, open) {
  const text = (/** @type {string | null | undefined} */ raw) => {
    const units = priceUnits(raw);
    return units ? typed(units) : "";
  };
  const yes = text(open ? open["yes_bid"] : row["suggested_yes"]);
  const no = text(open ? open["no_bid"] : row["suggested_no"]);
  return {
    yes,
    no,
    sides: open && (!yes || !no) ? (yes ? "yes" : "no") : "both",
    policy: open ? open["policy"] : row["is_combo"] ? "auto" : "manual",
    insists: Boolean(open && open["policy"] === "manual" && row["is_combo"]),
    maxMove: text(open?.["max_move"]) || "1",
    endsIn: "",
    postOnly: Boolean(open?.["post_only"]),
    restRemainder: Boolean(open?.["rest_remainder"]),
  };
}

/**
 * What `quote.preview` says beyond what the ticket works out itself: fees of a hit, and what to be warned of.
 * @param {Record<string, any>} told
 * @returns {{lines: [string, string][], warnings: string[]}}
 */
export function previewWords(told) {
  /** @type {[string, string][]} */
  const lines = [];
  const warnings = (told["warnings"] ?? []).map((/** @type {{text: string}} */ warning) => warning.text);
  for (const side of /** @type {Side[]} */ (["yes", "no"])) {
    const one = told[side];
    if (!one || !Number(one.bid)) continue;
    const fees = [one.fee_maker, one.fee, one.fee_worst].filter((raw) => raw !== null && raw !== undefined);
    const texts = [...new Set(fees.map((raw) => moneyText(raw)))];
    lines.push([`Fee if ${side.toUpperCase()} is hit`, texts.length ? texts.join(" / ") : "not known"]);
    if (one.edge_total) lines.push([`Edge of ${side.toUpperCase()} in all`, moneyText(one.edge_total)]);
  }
  for (const limit of told["limits"] ?? []) if (!limit.ok) warnings.push(limit.text);
  if (told["cash"]) lines.push(["Cash", moneyText(told["cash"])]);
  if (told["approval"]) warnings.push(told["approval"]);
  return { lines, warnings };
}

/** @param {string} raw dollars */
function moneyText(raw) {
  const units = moneyUnits(raw);
  return units === null ? "-" : roundMoney(units);
}
