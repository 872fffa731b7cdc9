/** The figures at the head of the page, each with where it comes from. Money in 1/1,000,000 dollar; null: not known. */
import { toUnits } from "../core/fixed.js";

/** @param {string | null | undefined} raw */
export const money = (raw) => (raw === null || raw === undefined ? null : toUnits(raw, 6));

/**
 * @typedef {object} Figures
 * @property {number | null} cash
 * @property {number | null} reserved locked by resting orders, estimated
 * @property {number | null} positions at the exchange's mark
 * @property {number | null} equity
 * @property {number | null} seenMs of the oldest balance in it
 * @property {number | null} unrealised since the day began
 * @property {number} realised
 * @property {number} fees
 * @property {number} tradeFees
 * @property {number} rounding
 * @property {number} rebates
 * @property {number} otherFees
 * @property {number} settlementFees
 * @property {number | null} day realised + unrealised - fees
 */

/**
 * @param {{subaccounts: Record<string, Record<string, any>>} | null} balance frame of `balance`
 * @param {Record<string, any> | null} pnl frame of `pnl`
 * @param {number | null} unrealisedNow of all open positions at the desk's marks
 * @param {Set<string>} [holding] subaccounts with an open position; of the others an untold value is nothing
 * @returns {Figures}
 */
export function figuresOf(balance, pnl, unrealisedNow, holding = new Set()) {
  const rows = Object.entries(balance?.subaccounts ?? {}).map(([number, row]) =>
    row["portfolio_value"] === null && !holding.has(number) ? { ...row, portfolio_value: "0.0000" } : row,
  );
  const add = (/** @type {string} */ name) =>
    rows.length && rows.every((row) => row[name] !== null)
      ? rows.reduce((sum, row) => sum + toUnits(row[name], 6), 0)
      : null;
  const cash = add("cash");
  const told = add("portfolio_value");
  const reserved = money(pnl?.["reserved"]);
  const includesCash = Boolean(pnl?.["value_includes_cash"]);
  const positions = told === null || cash === null ? null : includesCash ? told - cash : told;
  const total = pnl?.["total"] ?? {};
  const start = money(pnl?.["start"]?.["unrealized"]);
  const unrealised = unrealisedNow === null || start === null ? null : unrealisedNow - start;
  const realised = money(total["realized"]) ?? 0;
  const settlementFees = money(total["settlement_fees"]) ?? 0;
  const fees = (money(total["fees"]) ?? 0) + settlementFees;
  return {
    cash,
    reserved,
    positions,
    equity: cash === null || positions === null ? null : cash + positions + (reserved ?? 0),
    seenMs: rows.length ? Math.min(...rows.map((row) => row["seen_ms"])) : null,
    unrealised,
    realised,
    fees,
    tradeFees: money(total["trade_fees"]) ?? 0,
    rounding: money(total["rounding"]) ?? 0,
    rebates: money(total["rebates"]) ?? 0,
    otherFees: money(total["other_fees"]) ?? 0,
    settlementFees,
    day: unrealised === null ? null : realised + unrealised - fees,
  };
}
