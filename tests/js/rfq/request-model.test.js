import assert from "node:assert/strict";
import { test } from "node:test";
import { autoWords, progressOf, stepsOf, storyOf } from "../../../static/js/rfq/progress-model.js";
import { badgeOf, clockOf, newsOf, requestLine, sortRequests } from "../../../static/js/rfq/request-model.js";
import { teamLines } from "../../../static/js/rfq/team-model.js";
import { blockWords, shortCountdown, sizeText, titleParts } from "../../../static/js/rfq/words.js";
import { accept, quote, request } from "./rows.js";

const LOOK = { format: /** @type {const} */ ("cents"), zone: "UTC" };

test("a badge for each state of a request and of what was taken", () => {
  const cases = /** @type {[Record<string, any>, string][]} */ ([
    [{ state: "committed" }, "sending"],
    [{ state: "unknown" }, "unknown"],
    [{ state: "refused" }, "refused"],
    [{ state: "not_seen" }, "not seen"],
    [{ state: "draft" }, "needs approval"],
    [{ state: "open" }, "live"],
    [{ state: "open", is_open: false }, "closing"],
    [{ state: "open", lapsed: [accept({ state: "lapsed" })] }, "lapsed"],
    [{ accept: accept({ state: "sending" }) }, "accepting"],
    [{ accept: accept() }, "awaiting maker"],
    [{ accept: accept({ state: "executing" }) }, "executing"],
    [{ state: "closed", accept: accept({ state: "executed" }) }, "executed"],
    [{ state: "closed" }, "done"],
  ]);
  for (const [over, text] of cases) assert.equal(badgeOf(request(over)).text, text, JSON.stringify(over));
});

test("the clock shows the window that matters now", () => {
  assert.deepEqual(clockOf(request({ ends_ms: 72_000 }), 0), { text: "01:12", isUrgent: false });
  assert.deepEqual(clockOf(request({ accept: accept(), ends_ms: 72_000 }), 37_900), { text: "2.1 s", isUrgent: true });
  assert.equal(clockOf(request(), 3_400).text, "3.4 s");
  assert.equal(clockOf(request({ state: "closed", closed_ms: 60_000 }), 70_000).text, "10 s");
  assert.deepEqual([3_661_000, 59_000, -5].map(shortCountdown), ["01:01:01", "00:59", "0.0 s"]);
});

test("sizes, titles and legs in words", () => {
  assert.equal(sizeText(request()), "2,500 contracts");
  assert.equal(sizeText(request({ contracts: "1.00" })), "1 contract");
  assert.equal(sizeText(request({ contracts: null, target_cost: "5000.0000" })), "$5,000 target");
  const legs = [
    { title: "KC at BUF: KC wins", market_ticker: "A", side: "yes" },
    { title: "KC at BUF: Over 47.5", market_ticker: "B", side: "no" },
  ];
  assert.deepEqual(titleParts(request({ is_combo: true, legs })), ["KC wins", "not Over 47.5"]);
  assert.deepEqual(titleParts(request()), ["Above 4.00%, Fed in December"]);
});

test("what may still happen stands first, newest first", () => {
  const rows = [
    request({ key: "done", state: "closed", created_ms: 9 }),
    request({ key: "old", created_ms: 1 }),
    request({ key: "new", created_ms: 2 }),
    request({ key: "taken", state: "closed", accept: accept(), created_ms: 0 }),
  ];
  assert.deepEqual(
    sortRequests(rows).map((row) => row["key"]),
    ["new", "old", "taken", "done"],
  );
});

test("only open quotes count while a request lives", () => {
  const quotes = [quote(), quote({ quote_id: "q2", state: "replaced" })];
  assert.equal(requestLine(request({ quotes }), 0).quotes, "1 quote");
  assert.equal(requestLine(request({ quotes, state: "closed" }), 0).quotes, "2 quotes");
});

test("what is said aloud: quotes, windows, lapses; nothing for the first sight", () => {
  const before = request();
  assert.equal(newsOf(undefined, before), "");
  const more = request({ quotes: [quote(), quote({ quote_id: "q2" })] });
  assert.match(newsOf(before, more), /2 quotes\./);
  assert.match(newsOf(before, request({ accept: accept() })), /awaiting the maker/);
  assert.match(
    newsOf(before, request({ lapsed: [accept({ state: "lapsed", state_text: "Lapsed by the maker" })] })),
    /Lapsed by the maker/,
  );
  assert.equal(newsOf(before, request()), "");
});

test("after an accept: the windows with their clocks, then how it ended", () => {
  const waiting = progressOf(request({ accept: accept() }), LOOK, 25_000);
  assert.deepEqual([waiting?.state, waiting?.clock, waiting?.share], ["awaiting", "00:15", 0.5]);
  assert.equal(waiting?.title, "You buy 2,500 YES at 24.1¢: awaiting the maker");
  assert.match(waiting?.text ?? "", /mk-7f2a may confirm .* taken by Quoter/);
  assert.match(progressOf(request({ accept: accept() }), LOOK, 40_001)?.text ?? "", /window is over/);
  const executing = accept({ state: "executing", confirmed_ms: 20_000, execution_ends_ms: 35_000 });
  assert.equal(progressOf(request({ accept: executing }), LOOK, 30_000)?.clock, "5.0 s");
  const done = accept({
    state: "executed",
    executed_ms: 0,
    filled: "2000.00",
    cost: "482.0000",
    fees: "25.6000",
    order_id: "o1",
  });
  const end = progressOf(request({ accept: done }), LOOK, 0);
  assert.equal(end?.title, "You bought 2,000 YES at 24.1¢");
  assert.equal(end?.text, "from mk-7f2a at 00:00:00, of 2,500 accepted, cost $482.00, fees $25.60");
  assert.equal(end?.orderId, "o1");
});

test("an unknown outcome and a lapse are told as such", () => {
  assert.match(
    progressOf(request({ accept: accept({ state: "unknown" }) }), LOOK, 0)?.title ?? "",
    /not confirmed by the exchange/,
  );
  const lapsed = progressOf(request({ lapsed: [accept({ state: "lapsed" })] }), LOOK, 0);
  assert.deepEqual([lapsed?.state, lapsed?.title], ["lapsed", "YES at 24.1¢: let lapse by the maker"]);
  assert.equal(progressOf(request(), LOOK, 0), null);
});

test("the footer's story and the steps with the time between them", () => {
  const timeline = [
    { at_ms: 0, what: "committed", text: "Asked for" },
    { at_ms: 1_400, what: "first_quote", text: "First quote" },
  ];
  assert.deepEqual(storyOf(request({ timeline }), LOOK), ["created 00:00:00", "first quote 0.9 s", "1 quote"]);
  assert.deepEqual(
    stepsOf(request({ timeline }), LOOK).map((/** @type {{after: string}} */ step) => step.after),
    ["", "+1.4 s"],
  );
});

test("auto-accept in words", () => {
  assert.equal(autoWords(request(), LOOK), "off");
  const auto = { buys: "yes", min_quotes: 3, after_s: 5, state: "waiting" };
  assert.equal(
    autoWords(request({ auto, limit_yes: "0.2400" }), LOOK),
    "YES at 24¢ or less, from 3 quotes on, after 5 s",
  );
  assert.match(autoWords(request({ auto: { ...auto, state: "fired" }, limit_yes: "0.2400" }), LOOK), /: done$/);
});

test("the team: whose it is, who looks now, what was said", () => {
  const row = {
    owner: { id: 7, name: "trader-1" },
    watchers: [
      { id: 7, name: "trader-1", until_ms: 99 },
      { id: 8, name: "quoter-2", until_ms: 99 },
      { id: 9, name: "left", until_ms: 5 },
    ],
    comments: [{ by: { id: 8, name: "quoter-2" }, text: "wait for 24", at_ms: 0 }],
  };
  assert.deepEqual(
    teamLines(row, { person: "7", zone: "UTC", nowMs: 50 }).map((line) => line.text),
    ["claimed by you", "quoter-2 is looking at this RFQ", "quoter-2: wait for 24"],
  );
});

test("why nothing can be sent: the desk's pause, old data, the exchange", () => {
  const live = { feed: "live", feedWords: "", pause: "", exchangeActive: true, tradingActive: true };
  assert.equal(blockWords(live), "");
  assert.equal(
    blockWords({ ...live, pause: "Trading is paused for the whole desk" }),
    "Trading is paused for the whole desk",
  );
  assert.match(blockWords({ ...live, feed: "stale", feedWords: "stale 7 s" }), /not live \(stale 7 s\)/);
  assert.match(blockWords({ ...live, exchangeActive: false }), /exchange is closed/);
  assert.match(blockWords({ ...live, tradingActive: false }), /paused at the exchange/);
});
