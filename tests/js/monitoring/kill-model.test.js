import assert from "node:assert/strict";
import test from "node:test";
import { bannerWords, isKilled, leftOf, leftRows, leftWords } from "../../../static/js/monitor/kill-model.js";

const account = (over = {}) => ({
  id: 1,
  name: "Book",
  environment: "paper",
  orders: 0,
  quotes: 0,
  rfqs: 0,
  groups: 0,
  problems: [],
  ended: {},
  ...over,
});
const run = (over = {}) => ({
  id: 1,
  why: "",
  by: "Tess",
  at_ms: 0,
  passes: 1,
  looked_ms: 5,
  clean_ms: null,
  unresolved: 0,
  accounts: [account()],
  ...over,
});

test("a file alone is a kill", () => {
  assert.equal(isKilled(null), false);
  assert.equal(isKilled({ file: false, run: null }), false);
  assert.equal(isKilled({ file: true, run: null }), true);
  assert.match(bannerWords({ file: true, run: null }), /held back/);
});

test("what could not be read is not nothing", () => {
  assert.equal(leftOf(run({ accounts: [account(), account({ quotes: null })] })), null);
  assert.equal(leftOf(run({ passes: 0, accounts: [] })), null);
  assert.equal(leftWords(run({ passes: 0, accounts: [] })), "What is left is not known yet.");
});

test("everything that is left is added up, sends without an outcome too", () => {
  const left = run({ unresolved: 2, accounts: [account({ orders: 3, groups: 1 }), account({ rfqs: 4 })] });
  assert.equal(leftOf(left), 10);
  assert.equal(leftWords(left), "10 left at the exchange.");
});

test("only the server's word makes it clean", () => {
  assert.equal(leftWords(run()), "Nothing is listed any more, checking.");
  assert.equal(
    bannerWords({ file: false, run: run({ clean_ms: 7, why: "drill" }) }),
    "by Tess: drill. Nothing is left at the exchange.",
  );
});

test("the table says what was not read", () => {
  const [row] = leftRows(
    run({ accounts: [account({ orders: null, problems: ["503", "late"], ended: { orders: 2 } })] }),
  );
  assert.deepEqual(row?.cells, ["not read", "0", "0", "0", "2 orders, 0 quotes, 0 requests, 0 groups", "503; late"]);
});
