import assert from "node:assert/strict";
import { test } from "node:test";
import { reachWords, scopeLines, scopeWords } from "../../../static/js/orders/scope.js";

test("a scope is said with orders, markets and contracts", () => {
  const rows = [
    { ticker: "A", remaining: 100_000 },
    { ticker: "B", remaining: 134_000 },
    { ticker: "A", remaining: 0 },
  ];
  assert.equal(scopeWords(rows), "3 working orders in 2 markets, 2,340 contracts");
  assert.equal(scopeWords([{ ticker: "A", remaining: 100 }]), "1 working order in 1 market, 1 contract");
  assert.equal(scopeWords([{ ticker: "A", remaining: 50 }]), "1 working order in 1 market, 0.50 contracts");
});

test("the lines name the largest markets first and count the rest", () => {
  const rows = ["A", "B", "C"].map((ticker, at) => ({ ticker, remaining: (at + 1) * 100 }));
  assert.deepEqual(scopeLines(rows, 2), ["C: 1 order, 3 left", "B: 1 order, 2 left", "and 1 more market"]);
  assert.deepEqual(scopeLines([]), []);
});

test("who may cancel only a part of an account is not told that all of it goes", () => {
  assert.match(reachWords("main", "account"), /all subaccounts/);
  assert.doesNotMatch(reachWords("main", "part"), /all subaccounts/);
});
