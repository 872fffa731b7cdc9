/** What a transfer would do, in integers of a millionth of a dollar. No DOM. */
import { formatMoney, fromUnits, MONEY_PLACES, toUnits } from "../core/fixed.js";

const CENT = 10_000;

/**
 * Read an amount as people type it: "1,250.5", "$3". Whole cents only, above zero.
 * @param {string} text
 * @returns {{amount: number} | {error: string}}
 */
export function readAmount(text) {
  const bare = text.trim().replace(/^\$/, "").replaceAll(",", "");
  if (!bare) return { error: "" };
  try {
    const amount = toUnits(bare, MONEY_PLACES);
    if (amount <= 0) return { error: "Give an amount above zero." };
    if (amount % CENT) return { error: "The exchange moves whole cents only." };
    return { amount };
  } catch {
    return { error: "This is not an amount in dollars." };
  }
}

/** @param {string} text dollars or "" @returns {number | null} */
export function cashOf(text) {
  return text ? toUnits(text, MONEY_PLACES) : null;
}

/** @param {number | null} units */
export function cashText(units) {
  if (units === null) return "-";
  const [, tail = ""] = fromUnits(Math.abs(units), MONEY_PLACES).split(".");
  return `${formatMoney(units - (units % CENT))}${tail.slice(2).replace(/0+$/, "")}`;
}

/**
 * @param {{from: string, to: string, amount: string, fromCash: number | null, toCash: number | null}} typed
 * @returns {{fromAfter: number | null, toAfter: number | null, fault: string, isReady: boolean}}
 */
export function previewOf({ from, to, amount, fromCash, toCash }) {
  const read = readAmount(amount);
  const units = "amount" in read ? read.amount : null;
  const fromAfter = units === null || fromCash === null ? null : fromCash - units;
  const toAfter = units === null || toCash === null ? null : toCash + units;
  let fault = "error" in read ? read.error : "";
  if (from === to) fault = "Choose two different subaccounts.";
  else if (fromAfter !== null && fromAfter < 0)
    fault = `Subaccount ${from} has ${cashText(fromCash)} that no order locks.`;
  return { fromAfter, toAfter, fault, isReady: units !== null && !fault };
}

/** What the button says, so that nothing is sent that it did not name. @param {string} amount @param {string} from @param {string} to */
export function sendWords(amount, from, to) {
  const read = readAmount(amount);
  return "amount" in read ? `Move ${cashText(read.amount)} from ${from} to ${to}` : "Move cash";
}
