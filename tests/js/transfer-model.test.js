import assert from "node:assert/strict";
import test from "node:test";
import { cashOf, cashText, previewOf, readAmount, sendWords } from "../../static/js/portfolio/transfer-model.js";

test("amounts are read as people type them, to the cent", () => {
  assert.deepEqual(readAmount("$1,250.50"), { amount: 1_250_500_000 });
  assert.deepEqual(readAmount(" 3 "), { amount: 3_000_000 });
  assert.ok("error" in readAmount("0.005"));
  assert.ok("error" in readAmount("0"));
  assert.ok("error" in readAmount("-5"));
  assert.ok("error" in readAmount("1e3"));
});

test("both balances after are shown, and an empty field is no fault", () => {
  const typed = { from: "0", to: "1", amount: "10", fromCash: cashOf("25.500000"), toCash: cashOf("") };
  assert.deepEqual(previewOf(typed), { fromAfter: 15_500_000, toAfter: null, fault: "", isReady: true });
  assert.deepEqual(previewOf({ ...typed, amount: "" }), { fromAfter: null, toAfter: null, fault: "", isReady: false });
});

test("what cannot be is said before it is sent", () => {
  const typed = { from: "0", to: "1", amount: "26", fromCash: 25_500_000, toCash: 0 };
  assert.match(previewOf(typed).fault, /Subaccount 0 has \$25\.50/);
  assert.equal(previewOf(typed).isReady, false);
  assert.match(previewOf({ ...typed, amount: "1", to: "0" }).fault, /two different/);
});

test("a balance that was never read does not hold anybody up", () => {
  assert.equal(previewOf({ from: "0", to: "1", amount: "26", fromCash: null, toCash: null }).isReady, true);
});

test("the button names what it does", () => {
  assert.equal(sendWords("1250.5", "0", "12"), "Move $1,250.50 from 0 to 12");
  assert.equal(sendWords("", "0", "12"), "Move cash");
  assert.equal(cashText(null), "-");
  assert.equal(cashText(1_234_560), "$1.23456");
});
