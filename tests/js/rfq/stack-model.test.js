import assert from "node:assert/strict";
import { test } from "node:test";
import { bestOffer, enterSide, nextBest, nextBestWords, stackOf } from "../../../static/js/rfq/stack-model.js";
import { accept, quote, request } from "./rows.js";

const LOOK = { format: /** @type {const} */ ("cents"), zone: "UTC" };

/** @param {Record<string, any>} row */
const first = (row) => {
  const line = stackOf(row, LOOK)[0];
  assert.ok(line);
  return line;
};

test("a quote is told as what we would own and pay", () => {
  const line = first(request());
  assert.equal(line.offers.yes?.text, "Buy YES 24.1¢");
  assert.equal(line.offers.no?.text, "Buy NO 77.6¢");
  assert.equal(line.contracts, "2,500");
  assert.deepEqual(line.marks, [{ text: "best both", tone: "accent" }]);
});

test("prices come in the format that the person likes", () => {
  const row = request();
  assert.equal(stackOf(row, { ...LOOK, format: "dollars" })[0]?.offers.yes?.text, "Buy YES $0.241");
  assert.equal(stackOf(row, { ...LOOK, format: "percent" })[0]?.offers.yes?.text, "Buy YES 24.1%");
});

test("all prices of a stack have the decimals that the finest needs", () => {
  const row = request({ quotes: [quote({ buy_yes: "0.2400" }), quote({ quote_id: "q2", buy_yes: "0.2465" })] });
  assert.deepEqual(
    stackOf(row, LOOK).map((line) => line.offers.yes?.priceText),
    ["24.00¢", "24.65¢"],
  );
});

test("against the book: cents and dollars, better and worse", () => {
  const { yes, no } = first(request()).offers;
  assert.deepEqual([yes?.versusBook?.text, yes?.versusBook?.tone], ["+1.3¢ / $32.50", "up"]);
  assert.deepEqual([no?.versusBook?.text, no?.versusBook?.tone], ["-0.1¢ / $2.50", "down"]);
  assert.equal(first(request({ quotes: [quote({ improvement_yes: null })] })).offers.yes?.versusBook, null);
});

test("a difference finer than the market's step is shown whole", () => {
  const cents = quote({ buy_yes: "0.4600", buy_no: "0.5800", improvement_yes: "-0.0065", improvement_no: "-0.0030" });
  const { yes, no } = first(request({ quotes: [cents] })).offers;
  assert.match(yes?.versusBook?.text ?? "", /^-0\.65¢/);
  assert.match(no?.versusBook?.text ?? "", /^-0\.3¢/);
  const whole = first(request({ quotes: [quote({ ...cents, improvement_no: "-0.0200" })] })).offers;
  assert.match(whole.no?.versusBook?.text ?? "", /^-2¢/);
});

test("a side that is not quoted is no offer, never a zero", () => {
  const line = first(request({ quotes: [quote({ buy_no: null, contracts_no: null, rank_no: null })] }));
  assert.equal(line.offers.no, null);
  assert.deepEqual(
    line.marks.map((mark) => mark.text),
    ["best YES"],
  );
});

test("contracts of a target cost differ by side, and unknown ones say so", () => {
  const both = request({
    contracts: null,
    target_cost: "500.0000",
    quotes: [quote({ contracts_yes: "2074.00", contracts_no: "644.00" })],
  });
  assert.equal(first(both).contracts, "2,074 / 644");
  const neither = request({ quotes: [quote({ contracts_yes: null, contracts_no: null })] });
  assert.equal(first(neither).contracts, "not said");
});

test("cover, tied and above the limit are marked", () => {
  const row = request({
    limit_yes: "0.2400",
    quotes: [quote({ rank_yes: 2, rank_no: 2, is_tied_yes: true })],
  });
  assert.deepEqual(
    first(row).marks.map((mark) => mark.text),
    ["cover", "tied", "over limit"],
  );
  assert.equal(first({ ...row, limit_yes: "0.2410" }).offers.yes?.isOverLimit, false, "at the limit is within it");
});

test("what ended says how, and a quote beside the one taken is lost", () => {
  assert.equal(first(request({ quotes: [quote({ state: "replaced" })] })).ended, "replaced");
  assert.equal(first(request({ quotes: [quote({ state: "cancelled", reason: "MAKER" })] })).ended, "withdrawn: maker");
  const lost = request({ accept: accept({ quote_id: "other" }), quotes: [quote({ state: "cancelled" })] });
  assert.equal(first(lost).ended, "lost");
  const taken = request({
    accept: accept({ quote_id: "q2" }),
    quotes: [quote(), quote({ quote_id: "q2", state: "accepted" })],
  });
  assert.deepEqual([first(taken).id, first(taken).isTaken, first(taken).ended], ["q2", true, "taken"]);
});

test("the best offer is the server's first, never an ended one", () => {
  const row = request({
    quotes: [quote({ quote_id: "gone", state: "cancelled" }), quote({ quote_id: "q2" })],
  });
  assert.equal(bestOffer(stackOf(row, LOOK), "yes")?.quoteId, "q2");
  assert.equal(bestOffer([], "yes"), null);
});

test("after a lapse the next best of the same side can be taken, but only then", () => {
  const next = { quote_id: "q2", buys: "no", price: "0.7760", dearer_by: "0.0110", is_within_limit: null };
  const lapsed = request({
    lapsed: [accept({ state: "lapsed", buys: "no" })],
    quotes: [quote({ quote_id: "q2" })],
    next_best: next,
  });
  assert.equal(nextBest(lapsed, stackOf(lapsed, LOOK))?.offer.text, "Buy NO 77.6¢");
  const taken = { ...lapsed, accept: accept({ state: "sending" }) };
  assert.equal(nextBest(taken, stackOf(taken, LOOK)), null);
  const closed = { ...lapsed, is_open: false };
  assert.equal(nextBest(closed, stackOf(closed, LOOK)), null);
  assert.equal(nextBest(request(), stackOf(request(), LOOK)), null);
  const ended = { ...lapsed, quotes: [quote({ quote_id: "q2", state: "cancelled" })] };
  assert.equal(nextBest(ended, stackOf(ended, LOOK)), null);

  assert.equal(nextBestWords(lapsed), "1.1¢ dearer");
  assert.equal(nextBestWords({ ...lapsed, next_best: { ...next, dearer_by: "-0.0200" } }), "2.0¢ cheaper");
  const over = { ...next, dearer_by: "0.0000", is_within_limit: false };
  assert.equal(nextBestWords({ ...lapsed, next_best: over }), "the same price, above your limit");
  assert.equal(nextBestWords(request()), "");
});

test("Enter means a side only when it can mean no other", () => {
  const both = request();
  assert.equal(enterSide(both, stackOf(both, LOOK)), null);
  const limited = request({ limit_no: "0.8000" });
  assert.equal(enterSide(limited, stackOf(limited, LOOK)), "no");
  const single = request({ quotes: [quote({ buy_yes: null, rank_yes: null })] });
  assert.equal(enterSide(single, stackOf(single, LOOK)), "no");
});
