import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changeOf,
  fromServer,
  spreadOf,
  statusWords,
  withLive,
  withPosition,
} from "../../../static/js/markets/row-model.js";

const RAW = {
  ticker: "KXFED-T4",
  url: "/markets/KXFED-T4/",
  title: "4.00%",
  event: "Fed",
  event_url: "/markets/events/KXFED/",
  category: "Economics",
  step: "0.0100",
  v: 1_000,
  bid: "0.4200",
  ask: "0.4400",
  bid_size: "10.00",
  ask_size: "7.50",
  last: "0.4300",
  previous: "0.4000",
  volume: "100.00",
  volume_24h: "50.00",
  open_interest: "12.00",
  status: "active",
  close_ms: 5,
  starred: false,
};
const LIVE = {
  v: 2_000,
  bid: null,
  ask: "0.4100",
  bid_size: null,
  ask_size: "3.00",
  last: null,
  volume: "101.00",
  open_interest: null,
  status: "inactive",
  close_ms: null,
};

test("a row is integers", () => {
  const row = fromServer(RAW);
  assert.deepEqual([row.bid, row.ask, row.askSize, row.step, row.volume24h], [4200, 4400, 750, 100, 5000]);
  assert.equal(spreadOf(row), 200);
  assert.equal(changeOf(row), 300);
});

test("a newer live row wins; a side that nobody quotes any more goes away", () => {
  const row = withLive(fromServer(RAW), LIVE);
  assert.deepEqual([row.bid, row.bidSize, row.ask, row.askSize, row.status], [null, null, 4100, 300, "inactive"]);
  assert.equal(spreadOf(row), null);
});

test("what a live row does not know stays as the catalogue has it", () => {
  const row = withLive(fromServer(RAW), LIVE);
  assert.deepEqual([row.last, row.openInterest, row.closeMs, row.volume], [4300, 1200, 5, 10_100]);
});

test("an older or equal live row, or none, changes nothing", () => {
  const row = fromServer(RAW);
  assert.equal(withLive(row, { ...LIVE, v: 1_000 }), row);
  assert.equal(withLive(row, { ...LIVE, v: 999 }), row);
  assert.equal(withLive(row, undefined), row);
});

test("a position joins the row and leaves it again", () => {
  const row = fromServer(RAW);
  const held = withPosition(row, -2500);
  assert.equal(held.position, -2500);
  assert.equal(withPosition(held, -2500), held);
  assert.equal(withPosition(held, null).position, null);
});

test("a status that nobody knows yet is shown as it came", () => {
  assert.equal(statusWords("active"), "open");
  assert.equal(statusWords("under_review"), "under review");
});
