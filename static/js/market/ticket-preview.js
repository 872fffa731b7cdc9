/** What the desk says an order would cost: its lines in words, and what changed since they were shown. No DOM here. */
import { formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";

/** @typedef {Record<string, any>} Preview the answer of `order.preview` */

/** @param {string} raw */
const dollars = (raw) => formatMoney(toUnits(raw, 6));

/** @param {number} units contracts, positive for YES */
export function positionWords(units) {
  if (units === 0) return "flat";
  return `${formatCount(Math.abs(units))} ${units > 0 ? "YES" : "NO"}`;
}

/**
 * @typedef {{name: string, use: string | null, limit: string, ok: boolean, text: string, within?: string,
 *   share?: number | null}} Limit
 */

/** What fits in a line of the ticket. @type {Record<string, string>} */
const SHORT = {
  max_count: "size",
  max_notional: "cost",
  price_band: "band",
  orders_per_minute: "a minute",
  max_open_contracts: "open",
  max_daily_loss: "day's loss",
};

/** @param {Limit} limit */
const limitName = ({ name, within }) => name.replaceAll("_", " ") + (within ? ` ${within}` : "");

/**
 * The desk's own limits: the first that this order would break, else the one that is nearest to its end.
 * @param {Limit[]} limits
 */
function limitsLine(limits) {
  const broken = limits.find((limit) => !limit.ok);
  const title = limits.map((one) => `${limitName(one)}: ${one.use ?? "not known"} of ${one.limit}`).join("; ");
  /** @type {Limit | null} */
  let nearest = null;
  for (const one of limits) if ((one.share ?? 0) > (nearest?.share ?? 0)) nearest = one;
  const near = nearest
    ? `, ${SHORT[nearest.name] ?? limitName(nearest)} ${Math.floor((nearest.share ?? 0) / 10)}%`
    : "";
  return {
    text: broken ? `over ${broken.name.replaceAll("_", " ")}` : `kept${near}`,
    title,
    isPresent: true,
  };
}

/** What the fee is made of. @param {Preview} data */
function feeTitle(data) {
  const parts = ["All in one fill / contract by contract."];
  if (data.fee_trade && data.fee_rounding)
    parts.push(`In one fill: trade fee ${dollars(data.fee_trade)}, rounding ${dollars(data.fee_rounding)}.`);
  if (data.rebate && toUnits(data.rebate, 6)) parts.push(`Contract by contract, ${dollars(data.rebate)} comes back.`);
  if (data.fee_free_until) parts.push(`No fee before ${data.fee_free_until}.`);
  return parts.join(" ");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "3 Dec 14:00 UTC", with seconds where it is not a whole minute. @param {string} raw RFC 3339 */
function moment(raw) {
  const at = new Date(raw);
  const clock = at.toISOString().slice(11, at.getUTCSeconds() ? 19 : 16);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${clock} UTC`;
}

/**
 * @typedef {{at: string, taker: string | null, maker: string | null, taker_before: string, maker_before: string,
 *   fee_maker: string | null, fee_maker_worst: string | null}} FeeChange
 */

/** What the next dated change makes of the rates, and of an order that rests until then. @param {FeeChange} change */
function feeChangeLine(change) {
  const rates = [];
  for (const [name, before, then] of [
    ["taker", change.taker_before, change.taker],
    ["maker", change.maker_before, change.maker],
  ])
    if (before !== then && then !== null) rates.push(`${name} ${before} → ${then}`);
  const text = [`${moment(change.at)}: ${rates.join(", ") || "to a fee that is not known"}`];
  if (change.fee_maker !== null && change.fee_maker_worst !== null)
    text.push(`resting then ${dollars(change.fee_maker)} / ${dollars(change.fee_maker_worst)}`);
  const title =
    "The exchange's date. Rates are times contracts × price × (1 − price). What fills before it pays the fee above; " +
    "what still rests pays the new one, as maker: in one fill / contract by contract.";
  return { text: text.join("; "), title, isPresent: true };
}

/** @param {{cost: number, left: number, capacity: number, rate: number, degraded: boolean}} tokens */
function tokensLine({ cost, left, capacity, rate, degraded }) {
  const alone = degraded ? " Counted by this process alone: the shared count is out of reach." : "";
  const short = left < cost ? ", waits for more" : "";
  return {
    text: `${cost} of ${left} left${short}`,
    title: `Write tokens: at most ${capacity}, ${rate} come back per second.${alone}`,
    isPresent: true,
  };
}

/**
 * One line of the preview: what is not known says so, with the reason as a title. `isPresent` is false for
 * what the desk said nothing about.
 * @param {string} name
 * @param {Preview | null} data
 * @returns {{text: string, title: string, isPresent: boolean}}
 */
export function previewLine(name, data) {
  if (!data) return { text: "-", title: "", isPresent: false };
  const title = data.reasons?.[name] ?? "";
  const line = (/** @type {string} */ text, hint = title) => ({ text, title: hint, isPresent: true });
  const raw = data[name];
  switch (name) {
    case "fee":
      if (raw === null) return line("not known");
      return line(`${dollars(raw)} / ${dollars(data.fee_worst)}`, feeTitle(data));
    case "fee_now": {
      if (!raw) return { text: "-", title: "", isPresent: false };
      const fees = `${dollars(raw.fee)} / ${dollars(raw.fee_worst)}`;
      const price = formatPrice(toUnits(raw.price, 4), { step: toUnits(raw.price, 4) % 100 ? 10 : 100 });
      return line(
        `${fees} at ${price}`,
        "It takes at once, at better prices than its limit. Nearer to 50¢ the fee is larger.",
      );
    }
    case "fee_maker":
      if (raw === undefined) return { text: "-", title: "", isPresent: false };
      if (raw === null) return line("not known");
      return line(data.fee_maker_worst ? `${dollars(raw)} / ${dollars(data.fee_maker_worst)}` : dollars(raw));
    case "fee_change":
      return raw ? feeChangeLine(raw) : { text: "-", title: "", isPresent: false };
    case "maintenance":
      if (!raw) return { text: "-", title: "", isPresent: false };
      return line(
        `${raw.text.replace(/^Maintenance /, "")}: ${raw.cancels ? "this order is cancelled when trading pauses" : "this order stays on the book"}`,
        "The exchange's schedule. In a trading pause nothing is placed or amended, cancels are taken; in an exchange " +
          "pause, which is rare, cancels are not taken either. Sessions may be cut.",
      );
    case "tokens":
      return raw ? tokensLine(raw) : { text: "-", title: "", isPresent: false };
    case "cost": {
      const proceeds = toUnits(data.proceeds, 6);
      if (toUnits(data.cost, 6) === 0 && proceeds > 0)
        return line(`+${dollars(data.proceeds)}`, "Received for what is sold");
      return line(dollars(data.cost));
    }
    case "worst_case":
      return line(raw === null ? "not known" : formatMoney(-toUnits(raw, 6)));
    case "position_after":
      return line(raw === null ? "not known" : positionWords(toUnits(raw, 2)));
    case "limits":
      return Array.isArray(raw) && raw.length ? limitsLine(raw) : { text: "-", title: "", isPresent: false };
    default:
      return line(raw === null || raw === undefined ? "not known" : dollars(raw));
  }
}

/** @type {[string, string][]} */
const COMPARED = [
  ["cost", "the cost"],
  ["proceeds", "what you receive"],
  ["fee", "the fee"],
  ["fee_worst", "the fee in the worst split"],
  ["payout", "the payout"],
  ["position_after", "the position after"],
];

/**
 * What a person would not know about, if the order were sent now: each figure that is no longer the one
 * that was shown, and a refusal that was not there.
 * @param {Preview} shown
 * @param {Preview} fresh
 * @returns {string[]} in words, empty when what was shown still holds
 */
export function previewChanges(shown, fresh) {
  const changes = [];
  for (const [name, words] of COMPARED) {
    const [before, now] = [shown[name] ?? null, fresh[name] ?? null];
    if (before === now) continue;
    const say = (/** @type {string | null} */ raw) =>
      raw === null ? "not known" : name === "position_after" ? positionWords(toUnits(raw, 2)) : dollars(raw);
    changes.push(`${words} is ${say(now)}, was ${say(before)}`);
  }
  if (fresh.refusal && fresh.refusal.text !== shown.refusal?.text) changes.push(fresh.refusal.text);
  return changes;
}
