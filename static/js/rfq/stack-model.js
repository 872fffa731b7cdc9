/** The quotes of one request in words of what we would own and pay. No DOM here. */
import { toUnits } from "../core/fixed.js";
import { isTrading } from "./request-model.js";
import { OUTCOMES, countText, differenceText, priceText, shortMoney, stepOfRow, timesMicro } from "./words.js";

/** @typedef {import("./words.js").Row} Row */
/** @typedef {import("./words.js").Outcome} Outcome */
/** @typedef {import("./words.js").Look} Look */

/**
 * @typedef {object} Offer what one side of a quote gives us
 * @property {Outcome} buys
 * @property {string} price dollars a contract, as the wire has it
 * @property {string} text "Buy YES 24.1¢"
 * @property {string} priceText
 * @property {number | null} rank 1 best, 2 cover
 * @property {boolean} isTied
 * @property {boolean} isOverLimit above our own private limit
 * @property {string} contracts as the wire has it, "" when the exchange has not said
 * @property {{text: string, title: string, tone: "up" | "down" | "flat"} | null} versusBook
 */
/**
 * @typedef {object} QuoteLine
 * @property {string} id
 * @property {string} maker
 * @property {boolean} isOpen
 * @property {boolean} isTaken
 * @property {Record<Outcome, Offer | null>} offers
 * @property {string} contracts
 * @property {number} seenMs
 * @property {{text: string, tone: "accent" | "muted" | "warning"}[]} marks
 * @property {string} ended why it can no longer be taken
 */

const ENDED = /** @type {Record<string, string>} */ ({
  replaced: "replaced",
  cancelled: "withdrawn",
  accepted: "taken",
  confirmed: "confirmed",
  executed: "executed",
});

/**
 * @param {Row} row
 * @param {Look} look
 * @returns {QuoteLine[]} best first, ended ones last
 */
export function stackOf(row, look) {
  const step = stepOfRow(row);
  const lines = (row["quotes"] ?? []).map((/** @type {Row} */ quote) => lineOf(row, quote, look, step));
  // The one that was taken stands above those that were not.
  const taken = row["accept"]?.quote_id;
  return lines.sort(
    (/** @type {QuoteLine} */ one, /** @type {QuoteLine} */ other) =>
      Number(other.id === taken) - Number(one.id === taken),
  );
}

/** @param {Row} row @param {Row} quote @param {Look} look @param {number} step @returns {QuoteLine} */
function lineOf(row, quote, look, step) {
  const isOpen = quote["state"] === "open";
  const offers = { yes: offerOf(row, quote, "yes", look, step), no: offerOf(row, quote, "no", look, step) };
  return {
    id: quote["quote_id"],
    maker: quote["maker"],
    isOpen,
    isTaken: row["accept"]?.quote_id === quote["quote_id"],
    offers,
    contracts: contractsOf(offers),
    seenMs: quote["changed_ms"] ?? quote["seen_ms"],
    marks: isOpen ? marksOf(offers) : [],
    ended: isOpen ? "" : endedWords(row, quote),
  };
}

/** @param {Row} row @param {Row} quote */
function endedWords(row, quote) {
  const won = row["accept"]?.quote_id;
  if (quote["state"] === "cancelled" && won && won !== quote["quote_id"]) return "lost";
  const reason = quote["reason"] ? `: ${String(quote["reason"]).replaceAll("_", " ").toLowerCase()}` : "";
  return `${ENDED[quote["state"]] ?? quote["state"]}${reason}`;
}

/** @param {Row} row @param {Row} quote @param {Outcome} buys @param {Look} look @param {number} step @returns {Offer | null} */
function offerOf(row, quote, buys, look, step) {
  const price = quote[`buy_${buys}`];
  if (!price) return null;
  const limit = row[`limit_${buys}`];
  const words = priceText(price, look, step);
  return {
    buys,
    price,
    text: `Buy ${buys.toUpperCase()} ${words}`,
    priceText: words,
    rank: quote[`rank_${buys}`] ?? null,
    isTied: Boolean(quote[`is_tied_${buys}`]),
    isOverLimit: Boolean(limit) && toUnits(price, 4) > toUnits(limit, 4),
    contracts: quote[`contracts_${buys}`] ?? "",
    versusBook: versusBook(quote[`improvement_${buys}`], quote[`contracts_${buys}`], step),
  };
}

/** @param {string | null | undefined} each dollars a contract @param {string | null | undefined} contracts @param {number} step */
function versusBook(each, contracts, step) {
  if (!each) return null;
  const units = toUnits(each, 4);
  const inAll = contracts ? ` / ${shortMoney(Math.abs(timesMicro(each, contracts)))}` : "";
  const words = units < 0 ? "worse than" : units > 0 ? "better than" : "the same as";
  return {
    text: `${differenceText(each, step)}${inAll}`,
    title: `${words} sweeping the book for the same size when the request was sent`,
    tone: /** @type {"up" | "down" | "flat"} */ (units > 0 ? "up" : units < 0 ? "down" : "flat"),
  };
}

/** One number when both sides give the same. @param {Record<Outcome, Offer | null>} offers */
function contractsOf({ yes, no }) {
  const [one, other] = [yes?.contracts ?? "", no?.contracts ?? ""];
  if (!one && !other) return yes || no ? "not said" : "";
  if (!yes || !no || one === other) return countText(one || other);
  return `${one ? countText(one) : "?"} / ${other ? countText(other) : "?"}`;
}

/** @param {Record<Outcome, Offer | null>} offers @returns {QuoteLine["marks"]} */
function marksOf(offers) {
  const ranked = (/** @type {number} */ rank) => OUTCOMES.filter((outcome) => offers[outcome]?.rank === rank);
  const [best, cover] = [ranked(1), ranked(2)];
  const marks = [];
  if (best.length) marks.push({ text: `best ${sideWords(best)}`, tone: /** @type {const} */ ("accent") });
  if (cover.length) {
    const text = cover.length === 2 ? "cover" : `cover ${sideWords(cover)}`;
    marks.push({ text, tone: /** @type {const} */ ("muted") });
  }
  if (OUTCOMES.some((outcome) => offers[outcome]?.isTied))
    marks.push({ text: "tied", tone: /** @type {const} */ ("muted") });
  if (OUTCOMES.some((outcome) => offers[outcome]?.isOverLimit))
    marks.push({ text: "over limit", tone: /** @type {const} */ ("warning") });
  return marks;
}

/** @param {Outcome[]} sides */
const sideWords = (sides) => (sides.length === 2 ? "both" : (sides[0] ?? "").toUpperCase());

/**
 * @typedef {object} Target what one accept would take
 * @property {string} quoteId
 * @property {string} maker
 * @property {Offer} offer
 */

/**
 * The best open offer for an outcome: the cheapest, the first received of equals.
 * @param {QuoteLine[]} lines
 * @param {Outcome} buys
 * @returns {Target | null}
 */
export function bestOffer(lines, buys) {
  for (const line of lines) {
    const offer = line.offers[buys];
    if (line.isOpen && offer?.rank === 1) return { quoteId: line.id, maker: line.maker, offer };
  }
  return null;
}

/**
 * After a lapse: the best of what is left on the same side, as the desk tells it. null while something is taken, or
 * nothing is left.
 * @param {Row} row
 * @param {QuoteLine[]} lines
 * @returns {Target | null}
 */
export function nextBest(row, lines) {
  const told = row["next_best"];
  if (!told || isTrading(row) || row["accept"] || !row["is_open"]) return null;
  const line = lines.find(({ id, isOpen }) => isOpen && id === told.quote_id);
  const offer = line?.offers[/** @type {Outcome} */ (told.buys)];
  return line && offer ? { quoteId: line.id, maker: line.maker, offer } : null;
}

/**
 * What the next best costs against the one that lapsed, and whether it is within the limit.
 * @param {Row} row
 */
export function nextBestWords(row) {
  const told = row["next_best"];
  if (!told) return "";
  const units = toUnits(told.dearer_by, 4);
  const size = differenceText(told.dearer_by.replace("-", "")).replace("+", "");
  const against = units === 0 ? "the same price" : `${size} ${units > 0 ? "dearer" : "cheaper"}`;
  return told.is_within_limit === false ? `${against}, above your limit` : against;
}

/**
 * Which side Enter means while the card as a whole has the focus: the only one that is offered, or the only one
 * with a limit of ours. null: it could mean either, so it means nothing.
 * @param {Row} row
 * @param {QuoteLine[]} lines
 * @returns {Outcome | null}
 */
export function enterSide(row, lines) {
  const offered = OUTCOMES.filter((outcome) => bestOffer(lines, outcome));
  if (offered.length === 1) return offered[0] ?? null;
  const limited = offered.filter((outcome) => row[`limit_${outcome}`]);
  return limited.length === 1 ? (limited[0] ?? null) : null;
}
