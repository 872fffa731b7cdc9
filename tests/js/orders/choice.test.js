import assert from "node:assert/strict";
import { test } from "node:test";
import { isNarrowed, readChoice, rowsAddress, toSearch } from "../../../static/js/orders/choice.js";

test("a choice survives the way into the address and back", () => {
  const choice = { tab: "filled", q: "fed & co", side: "buy_no", person: "external", subaccount: "3" };
  assert.deepEqual(readChoice(toSearch(choice)), choice);
  assert.equal(isNarrowed(choice), true);
});

test("working is the tab of an address that names none, or one that does not exist", () => {
  assert.equal(readChoice("").tab, "working");
  assert.equal(readChoice("?tab=nonsense").tab, "working");
  assert.equal(toSearch(readChoice("?tab=working")), "");
  assert.equal(isNarrowed(readChoice("?tab=all")), false);
});

test("a page of rows is asked for by the same choice", () => {
  const address = rowsAddress("/orders/rows.json", readChoice("?tab=all&q=x"), { after: "1.2-0-3", limit: 200 });
  assert.equal(address, "/orders/rows.json?tab=all&q=x&after=1.2-0-3&limit=200");
});
