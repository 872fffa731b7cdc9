/**
 * The order ticket's arithmetic and words, without any DOM. Integers of the wire's units.
 *
 * The server's preview decides what an order costs; this module only turns what a person typed
 * into exact values, and says what is wrong with them before anything is asked.
 */
import { DOLLAR, toUnits } from "../core/fixed.js";

/** @typedef {"buy_yes" | "buy_no" | "sell_yes" | "sell_no"} TicketSide */

/** @type {Record<TicketSide, string>} */
export const SIDE_WORDS = {
  buy_yes: "Buy YES",
  buy_no: "Buy NO",
  sell_yes: "Sell YES",
  sell_no: "Sell NO",
};

/**
 * Read a price as people type it: "52", "52.5", "52.5c", "52¢" are cents; "0.525", "$0.525" dollars.
 * A bare number below 1 with two decimals or more is dollars. With one it may be either ("0.3" is 30 cents to one person
 * and three tenths of a cent to another), a hundredfold apart, so it is asked back.
 * @param {string} text
 * @returns {{units: number} | {error: string}}
 */
export function readPrice(text) {
  const raw = text.trim().replace(",", ".");
  if (raw === "") return { error: "Enter a price." };
  const match = /^(\$)?\s*(\d*\.?\d+|\d+\.)\s*(c|¢)?$/i.exec(raw);
  if (!match) return { error: `“${text.trim()}” is not a price. Write cents, such as 52 or 52.5.` };
  const digits = match[2] ?? "";
  const number = digits.startsWith(".") ? `0${digits}` : digits.replace(/\.$/, "");
  if (match[1] === undefined && match[3] === undefined && /^0\.[1-9]$/.test(number)) {
    return { error: `Is “${raw}” cents or dollars? Write ${number}c or $${number}0.` };
  }
  const isDollars = match[1] !== undefined || (match[3] === undefined && Number(number) < 1);
  if (/^\d{10}/.test(number)) return { error: "A price lies between 0 and 100 cents." };
  try {
    const units = isDollars ? toUnits(number, 4) : toUnits(number, 2);
    if (units <= 0 || units >= DOLLAR) return { error: "A price lies between 0 and 100 cents." };
    return { units };
  } catch {
    return { error: "A price has at most two decimals of a cent." };
  }
}

/**
 * Read a number of contracts: "500", "1,000", "2k", "0.25". "1,5" is fifteen to nobody who types it, so it is asked back.
 * @param {string} text
 * @returns {{units: number} | {error: string}} units of 1/100 contract
 */
export function readCount(text) {
  const raw = ungrouped(text);
  if (raw === "") return { error: "Enter how many contracts." };
  if (/^\d+,\d+$/.test(raw)) return { error: `Write “${raw.replace(",", ".")}” with a point.` };
  const match = /^(\d+(?:\.\d+)?)(k|m)?$/i.exec(raw);
  if (!match) return { error: `“${text.trim()}” is not a number of contracts.` };
  const factor = match[2] === undefined ? 1 : match[2].toLowerCase() === "k" ? 1_000 : 1_000_000;
  try {
    const units = toUnits(match[1] ?? "", 2) * factor;
    if (units <= 0) return { error: "Enter at least a hundredth of a contract." };
    if (!Number.isSafeInteger(units) || units > 1_000_000_000_00)
      return { error: "That is more than any market holds." };
    return { units };
  } catch {
    return { error: "Contracts have at most two decimals." };
  }
}

/** Without the marks between thousands: "1,000", "1 000", "1_000"; other commas stay. @param {string} text */
function ungrouped(text) {
  const raw = text.trim();
  return /^\d{1,3}([,_\s]\d{3})+(?!\d)/.test(raw) ? raw.replace(/[,_\s]/g, "") : raw;
}

/**
 * Read what an order may cost ("50", "$1,250.50") as the contracts that it pays for at `price`, before fees.
 * @param {string} text
 * @param {number} price units
 * @returns {{units: number} | {error: string}} units of 1/100 contract
 */
export function readCost(text, price) {
  const raw = ungrouped(text.trim().replace(/^\$\s*/, ""));
  if (!/^\d{1,9}(\.\d{1,2})?$/.test(raw)) return { error: "Enter what it may cost, in dollars, such as 250 or 99.50." };
  const units = countForCost(toUnits(raw, 6), price);
  return units === 0 ? { error: "That does not pay for one contract." } : { units };
}

/**
 * The largest count that a cost in dollars buys at `price`, before fees, in whole contracts.
 * @param {number} costMicro 1/1,000,000 dollar
 * @param {number} price units
 */
export function countForCost(costMicro, price) {
  return Math.floor(costMicro / (price * 100)) * 100;
}
