import assert from "node:assert/strict";
import { test } from "node:test";
import { approvalWords, leakWords, openOn, readAsk, readCost, sendWords } from "../../../static/js/rfq/ask-model.js";
import { boundsFlag, boundsOf, chanceOf, sharedGame } from "../../../static/js/rfq/bounds-model.js";
import {
  boundsOfCheck,
  missingWords,
  problemsByLeg,
  rulesWords,
  toggleLeg,
  wireLegs,
} from "../../../static/js/rfq/combo-model.js";
import { stripLines, stripNotes } from "../../../static/js/rfq/strip-model.js";
import { request } from "./rows.js";

/** @param {Partial<import("../../../static/js/rfq/ask-model.js").Typed>} [over] */
const typed = (over = {}) => ({
  ticker: "KXFED-26DEC-T4.00",
  combo: null,
  comboMissing: "",
  isCost: false,
  size: "2,500",
  limitYes: "",
  limitNo: "",
  endsIn: "120",
  note: " hedge ",
  restRemainder: false,
  replaceExisting: false,
  auto: /** @type {"" | "yes" | "no"} */ (""),
  minQuotes: "1",
  afterS: "0",
  ...over,
});

test("what is typed becomes exact text of the wire", () => {
  assert.deepEqual(readAsk(typed({ limitYes: "24.5", auto: "yes", minQuotes: "2", afterS: "5" })).params, {
    ticker: "KXFED-26DEC-T4.00",
    contracts: "2500.00",
    limit_yes: "0.2450",
    ends_in_s: 120,
    note: "hedge",
    rest_remainder: false,
    replace_existing: false,
    auto: { buys: "yes", min_quotes: 2, after_s: 5 },
  });
  assert.equal(readAsk(typed({ isCost: true, size: "$5k" })).params?.["target_cost"], "5000.000000");
});

test("each fault stands at its field and nothing is sent", () => {
  const cases = /** @type {[Parameters<typeof typed>[0], string][]} */ ([
    [{ ticker: "" }, "ticker"],
    [{ size: "2.5" }, "contracts"],
    [{ size: "" }, "contracts"],
    [{ isCost: true, size: "much" }, "target_cost"],
    [{ isCost: true, size: "0" }, "target_cost"],
    [{ limitYes: "100" }, "limit_yes"],
    [{ limitNo: "x" }, "limit_no"],
    [{ endsIn: "90000" }, "ends_in_s"],
    [{ note: "n".repeat(301) }, "note"],
    [{ auto: "no" }, "auto"],
    [{ auto: "yes", limitYes: "24", minQuotes: "0" }, "auto"],
    [{ auto: "yes", limitYes: "24", afterS: "9999" }, "auto"],
    [{ comboMissing: "The legs are being checked." }, "combo"],
  ]);
  for (const [over, field] of cases) {
    const { params, faults } = readAsk(typed(over));
    assert.equal(params, null, JSON.stringify(over));
    assert.deepEqual(Object.keys(faults), [field], JSON.stringify(over));
  }
});

test("dollars as people write them", () => {
  assert.deepEqual(readCost("250.50"), { units: 250_500_000 });
  assert.deepEqual(readCost("$1,000"), { units: 1_000_000_000 });
  assert.ok("error" in readCost("1.234"));
});

test("the button says what it asks for", () => {
  assert.equal(sendWords(readAsk(typed())), "Send RFQ for 2,500 contracts");
  assert.equal(sendWords(readAsk(typed({ isCost: true, size: "5000" }))), "Send RFQ for $5,000");
  assert.equal(sendWords(readAsk(typed({ size: "" }))), "Send RFQ");
});

test("repeated requests on one market are counted, and an open one is known", () => {
  const rows = [
    request({ created_ms: 3_000_000 }),
    request({ key: "rfq:2", created_ms: 3_100_000, state: "closed", is_open: false }),
  ];
  assert.equal(leakWords(rows, "OTHER", 3_200_000).isWarning, false);
  assert.match(leakWords(rows, "KXFED-26DEC-T4.00", 3_200_000).text, /sent 2 requests/);
  assert.equal(leakWords(rows, "KXFED-26DEC-T4.00", 3_200_000).isWarning, true);
  assert.equal(leakWords(rows, "KXFED-26DEC-T4.00", 9_000_000).isWarning, false, "an hour ago is forgotten");
  assert.equal(openOn(rows, "KXFED-26DEC-T4.00")?.["key"], "rfq:1");
});

test("bounds: the sum's remainder, the product, the least of the legs", () => {
  const chances = [
    chanceOf("0.6100", "0.6200", "yes"),
    chanceOf("0.5200", "0.5300", "yes"),
    chanceOf("0.6800", "0.7000", "yes"),
  ];
  assert.deepEqual(boundsOf(chances), { lowest: 0, product: 2227, highest: 5250 });
  assert.deepEqual(boundsOf([chanceOf("0.9000", "0.9000", "yes"), chanceOf("0.1000", "0.2000", "no")]), {
    lowest: 7500,
    product: 7650,
    highest: 8500,
  });
  assert.equal(boundsOf([chanceOf("0.9", null, "yes"), 100]), null, "a leg without a price has no bounds");
  assert.equal(boundsOf([]), null);
});

test("a price outside of what is possible is flagged", () => {
  const bounds = { lowest: 1000, product: 2000, highest: 5000 };
  assert.deepEqual(
    [900, 1000, 5000, 5001].map((price) => boundsFlag(price, bounds)),
    ["below what is possible", "", "", "above what is possible"],
  );
});

test("legs of one game are not independent", () => {
  const leg = (/** @type {string} */ event_ticker) => ({ event_ticker, market_ticker: `${event_ticker}-X` });
  assert.match(
    sharedGame([leg("KXNFLGAME-26SEP08KCBUF"), leg("KXNFLTOTAL-26SEP08KCBUF"), leg("KXFED-26DEC")]),
    /^two legs/,
  );
  assert.equal(sharedGame([leg("KXFED-26DEC"), leg("KXCPI-26DEC")]), "", "a month is no game");
  assert.match(sharedGame([leg("KXFED-26DEC"), leg("KXFED-26DEC")]), /^two legs/);
});

const LEG = { event_ticker: "E", market_ticker: "E-A", side: /** @type {"yes" | "no"} */ ("yes"), title: "KC wins" };

test("a leg is added, turned, taken away", () => {
  const one = toggleLeg([], LEG);
  const turned = toggleLeg(one, { ...LEG, side: "no" });
  assert.deepEqual(wireLegs(turned), [{ event_ticker: "E", market_ticker: "E-A", side: "no" }]);
  assert.deepEqual(toggleLeg(turned, { ...LEG, side: "no" }), []);
});

test("problems stand at their legs, by market or by event; the rest at the whole", () => {
  const other = { ...LEG, event_ticker: "F", market_ticker: "F-B" };
  const check = {
    problems: [
      { code: "conflicting_leg_outcomes", text: "cannot win together", tickers: ["E-A"] },
      { code: "event_size", text: "too many of F", tickers: ["F"] },
      { code: "size", text: "takes 3 legs", tickers: [] },
    ],
  };
  assert.deepEqual(problemsByLeg(check, [LEG, other]), {
    "E-A": "cannot win together",
    "F-B": "too many of F",
    "": "takes 3 legs",
  });
  assert.equal(missingWords([LEG], check), "cannot win together");
  assert.equal(missingWords([LEG], { problems: [] }), "");
  assert.match(missingWords([], null), /collection/);
  assert.match(missingWords([LEG], null), /being checked/);
});

test("rules of a collection in words", () => {
  assert.equal(
    rulesWords({ size_min: 2, size_max: 6, is_single_market_per_event: true }),
    "2 to 6 legs, one market of each event",
  );
  assert.equal(
    rulesWords({ size_min: 0, size_max: null, is_all_yes: true, is_ordered: true }),
    "YES only, their order counts",
  );
});

test("a check without prices has no bounds", () => {
  assert.equal(boundsOfCheck({ lowest: null, product: null, highest: null }), null);
  assert.deepEqual(boundsOfCheck({ lowest: "0.0000", product: "0.2160", highest: "0.5200" }), {
    lowest: 0,
    product: 2160,
    highest: 5200,
  });
});

test("above the threshold it says who has to agree, and for how long it waits", () => {
  assert.match(approvalWords({ asked_ms: 0, expires_ms: 900_000 }, "A lead"), /^Not sent yet: A lead .* 15 minutes\.$/);
});

test("the strip: both outcomes, what is not known with its reason, funding and limits", () => {
  const side = {
    sweep: "0.2540",
    sweep_is_whole: true,
    price: "0.2540",
    basis: "book",
    cost: "635.0000",
    fee: "32.0200",
    fee_worst: "32.0900",
    max_loss: "667.0900",
    max_win: "1832.9100",
  };
  const told = {
    yes: side,
    no: { sweep_is_whole: false },
    cash: "25000.0000",
    needed: "667.0900",
    is_funded: true,
    limits: [],
    reasons: { cost: "thin" },
    warnings: [{ code: "x", text: "tight" }],
    approval: "",
  };
  const look = { format: /** @type {const} */ ("cents"), zone: "UTC" };
  const lines = Object.fromEntries(stripLines(told, look).map((line) => [line.name, line]));
  assert.deepEqual(lines["Book sweep"]?.values, ["25.4¢", "book too thin"]);
  assert.deepEqual([lines["Cost"]?.values, lines["Cost"]?.title], [["$635.00", "not known"], "thin"]);
  assert.deepEqual(lines["Funding"]?.values, ["$25,000.00 covers it"]);
  assert.deepEqual(stripNotes(told), ["tight"]);
  const short = stripLines(
    {
      ...told,
      is_funded: false,
      cash: "1.0000",
      limits: [{ name: "order_cost", use: "9", limit: "5", ok: false, text: "" }],
    },
    look,
  );
  assert.equal(short.find((line) => line.name === "Funding")?.tone, "down");
  assert.deepEqual(short.at(-1)?.values, ["over order cost"]);
});
