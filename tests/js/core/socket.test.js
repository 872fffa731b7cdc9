import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createSocket, SILENCE_MS, watchTab } from "../../../static/js/core/socket.js";
import { createTopics } from "../../../static/js/core/topics.js";

/** Time and timers under the test's control: both clocks move together unless told otherwise. */
function fakeTimers() {
  let wall = 1_000_000;
  let mono = 0;
  let next = 1;
  /** @type {Map<number, {at: number, run: () => void}>} */
  const pending = new Map();
  return {
    set(/** @type {() => void} */ run, /** @type {number} */ ms) {
      pending.set(next, { at: mono + ms, run });
      return next++;
    },
    clear: (/** @type {any} */ id) => void pending.delete(id),
    wall: () => wall,
    mono: () => mono,
    /** Let `ms` pass with the tab awake. */
    pass(/** @type {number} */ ms) {
      const end = mono + ms;
      for (;;) {
        const due = [...pending].filter(([, item]) => item.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        pending.delete(due[0]);
        wall += Math.max(0, due[1].at - mono);
        mono = Math.max(mono, due[1].at);
        due[1].run();
      }
      wall += end - mono;
      mono = end;
    },
    /** Let `ms` pass while nothing of the tab runs; on a sleeping machine the second clock stands still. */
    sleep(/** @type {number} */ ms, { isMachineAsleep = false } = {}) {
      wall += ms;
      if (!isMachineAsleep) mono += ms;
    },
  };
}

class FakeWire {
  constructor() {
    /** @type {any[]} */
    this.sent = [];
    this.isClosed = false;
    /** @type {any} */ this.onopen = null;
    /** @type {any} */ this.onmessage = null;
    /** @type {any} */ this.onclose = null;
    /** @type {any} */ this.onerror = null;
  }
  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.isClosed = true;
  }
  accept() {
    this.onopen();
  }
  /** @param {any} message */
  says(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  /** @param {number} code */
  breaks(code = 1006) {
    this.onclose({ code });
  }
  /** @param {string} cmd */
  commands(cmd) {
    return this.sent.filter((message) => message.cmd === cmd);
  }
}

/** @type {FakeWire[]} */
let wires;
/** @type {ReturnType<typeof fakeTimers>} */
let timers;
/** @type {ReturnType<typeof createSocket>} */
let socket;
const last = () => /** @type {FakeWire} */ (wires.at(-1));

beforeEach(() => {
  wires = [];
  timers = fakeTimers();
  socket = createSocket({
    open: () => {
      wires.push(new FakeWire());
      return last();
    },
    timers,
    random: () => 1,
  });
});

function goLive() {
  socket.start();
  last().accept();
  last().says({ hb: timers.wall() });
}

test("the link is live from the first heartbeat, which is acknowledged", () => {
  socket.start();
  assert.equal(socket.link.state, "connecting");

  last().accept();
  last().says({ hb: 1_000_123 });

  assert.equal(socket.link.state, "live");
  assert.deepEqual(last().sent.at(-1), { ack: 1_000_123 });
});

test("several messages may come in one", () => {
  goLive();
  /** @type {any[]} */
  const seen = [];
  socket.subscribe("book:paper:T", (frame) => seen.push(frame.v));

  last().says([{ topic: "book:paper:T", v: 1, d: {} }, { topic: "book:paper:T", v: 2, d: {} }, { hb: timers.wall() }]);

  assert.deepEqual(seen, [1, 2]);
});

test("three seconds without a heartbeat mean stale and a new connection", () => {
  goLive();

  timers.pass(SILENCE_MS + 600);

  assert.equal(socket.link.state, "stale");
  assert.equal(wires[0]?.isClosed, true);
  assert.equal(wires.length, 2);
});

test("heartbeats keep it live", () => {
  goLive();

  for (let n = 0; n < 10; n += 1) {
    timers.pass(1_000);
    last().says({ hb: timers.wall() });
  }

  assert.equal(socket.link.state, "live");
  assert.equal(wires.length, 1);
});

for (const isMachineAsleep of [false, true]) {
  test(`J2: a tab back from sleep (${isMachineAsleep ? "machine" : "tab"}) is stale at once and reconnects at once`, () => {
    goLive();
    const page = new EventTarget();
    Object.assign(page, { visibilityState: "visible" });
    watchTab(socket, { page: /** @type {any} */ (page), win: new EventTarget() });

    timers.sleep(600_000, { isMachineAsleep });
    page.dispatchEvent(new Event("visibilitychange"));

    assert.equal(socket.link.state, "stale");
    assert.equal(wires.length, 2);
    last().accept();
    last().says({ hb: timers.wall() });
    assert.equal(socket.link.state, "live");
  });
}

test("J2: frames that queued up during the sleep are not believed", () => {
  goLive();
  /** @type {number[]} */
  const seen = [];
  socket.subscribe("book:paper:T", (frame) => seen.push(frame.v));

  timers.sleep(600_000);
  last().says({ topic: "book:paper:T", v: 7, d: {} });

  assert.deepEqual(seen, []);
  assert.equal(socket.link.state, "stale");
  assert.equal(wires.length, 2);
});

test("a page that was frozen or comes from the cache, or a network that is back, resyncs", () => {
  goLive();
  const page = new EventTarget();
  const win = new EventTarget();
  watchTab(socket, { page, win });

  page.dispatchEvent(new Event("resume"));
  assert.equal(wires.length, 2);
  last().accept();
  win.dispatchEvent(new Event("online"));
  assert.equal(wires.length, 3);
  last().accept();
  win.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  assert.equal(wires.length, 4);
});

test("subscriptions come again after a reconnection, each topic once", () => {
  goLive();
  const leave = socket.subscribe("book:paper:A", () => {});
  socket.subscribe("book:paper:B", () => {});
  socket.subscribe("book:paper:B", () => {});
  assert.equal(last().commands("subscribe").length, 2);

  leave();
  last().breaks();
  timers.pass(300);
  last().accept();

  assert.deepEqual(last().commands("subscribe")[0].topics, ["book:paper:B"]);
});

/** @param {string[]} topics @param {Record<string, number[]>} [parts] */
function gives(topics, parts = {}) {
  const { id } = last().commands("subscribe").at(-1);
  last().says({ id, ok: { topics, parts } });
}

/** How often the page was told that less is its person's to see. */
function countLess() {
  const told = { times: 0 };
  socket.onLess(() => void (told.times += 1));
  return told;
}

function reconnect() {
  last().breaks();
  timers.pass(300);
  last().accept();
}

for (const code of [4409, 4403]) {
  test(`a page hears that something on it is no longer its person's, and nothing is asked again (${code})`, () => {
    const told = countLess();
    goLive();
    socket.subscribe("orders:1", () => {});
    gives(["orders:1"]);

    last().breaks(code);
    timers.pass(60_000);

    assert.equal(told.times, 1);
    assert.equal(socket.link.state, "closed");
    assert.equal(wires.length, 1);
  });
}

test("who may watch nothing from the beginning is told so, and the page stays", () => {
  const told = countLess();
  socket.start();
  last().accept();
  last().breaks(4403);

  assert.equal(told.times, 0);
  assert.match(socket.link.why, /not allowed/);
});

/** @type {[string, Record<string, number[]>, object, number][]} */
const RETURNS = [
  ["the same", { "orders:1": [2, 5] }, { ok: { topics: ["orders:1"], parts: { "orders:1": [5, 2] } } }, 0],
  ["one subaccount more", { "orders:1": [2] }, { ok: { topics: ["orders:1"], parts: { "orders:1": [2, 5] } } }, 0],
  ["the whole account now", { "orders:1": [2] }, { ok: { topics: ["orders:1"], parts: {} } }, 0],
  ["one subaccount less", { "orders:1": [2, 5] }, { ok: { topics: ["orders:1"], parts: { "orders:1": [2] } } }, 1],
  ["a part of the account", {}, { ok: { topics: ["orders:1"], parts: { "orders:1": [2] } } }, 1],
  ["other subaccounts", { "orders:1": [2] }, { ok: { topics: ["orders:1"], parts: { "orders:1": [3] } } }, 1],
  ["the topic is left out", {}, { ok: { topics: [], parts: {} } }, 1],
  ["the topics are refused", {}, { error: { code: "not_found", text: "There is none." } }, 1],
  ["a fault of ours", {}, { error: { code: "fault", text: "This failed." } }, 0],
];
for (const [name, before, answer, times] of RETURNS) {
  test(`after a reconnection: ${name}`, () => {
    const told = countLess();
    socket.subscribe("orders:1", () => {});
    goLive();
    gives(["orders:1"], before);

    reconnect();
    last().says({ id: last().commands("subscribe").at(-1).id, ...answer });

    assert.equal(told.times, times);
    assert.equal(socket.link.state === "closed", times === 1);
  });
}

test("a topic that was never given may be refused: the page does not begin anew for ever", () => {
  const told = countLess();
  socket.subscribe("orders:1", () => {});
  goLive();
  last().says({ id: last().commands("subscribe").at(-1).id, error: { code: "not_found", text: "There is none." } });
  reconnect();
  last().says({ id: last().commands("subscribe").at(-1).id, error: { code: "not_found", text: "There is none." } });

  assert.equal(told.times, 0);
});

test("one topic that was never given takes no other with it, and is no reason to begin anew", () => {
  const told = countLess();
  for (const name of ["never:1", "orders:1", "fills:1"]) socket.subscribe(name, () => {});
  goLive();
  for (let turn = 0; turn < 2; turn += 1) {
    /** @type {string[]} */
    const got = [];
    for (let next = 0; next < last().commands("subscribe").length; next += 1) {
      const { id, topics } = last().commands("subscribe")[next];
      if (topics.includes("never:1")) last().says({ id, error: { code: "not_found", text: "There is none." } });
      else {
        got.push(...topics);
        last().says({ id, ok: { topics, parts: {} } });
      }
    }
    assert.deepEqual(got.toSorted(), ["fills:1", "orders:1"]);
    reconnect();
  }

  assert.equal(told.times, 0);
});

test("one topic of several that is no longer given is enough to begin anew", () => {
  const told = countLess();
  for (const name of ["orders:1", "fills:1", "status:paper"]) socket.subscribe(name, () => {});
  goLive();
  gives(["orders:1", "fills:1", "status:paper"]);
  reconnect();
  for (let next = 0; next < last().commands("subscribe").length && !told.times; next += 1) {
    const { id, topics } = last().commands("subscribe")[next];
    if (topics.includes("fills:1")) last().says({ id, error: { code: "not_found", text: "There is none." } });
    else last().says({ id, ok: { topics, parts: {} } });
  }

  assert.equal(told.times, 1);
});

test("a panel that was closed asks for nothing, so that less of it is no less", () => {
  const told = countLess();
  goLive();
  const leave = socket.subscribe("orders:1", () => {});
  gives(["orders:1"]);
  leave();
  socket.subscribe("orders:1", () => {});
  gives(["orders:1"], { "orders:1": [2] });

  assert.equal(told.times, 0);
});

test("a lost connection is tried again with growing pauses", () => {
  goLive();
  last().breaks();
  assert.equal(wires.length, 1);
  timers.pass(250);
  assert.equal(wires.length, 2);
  last().breaks();
  timers.pass(400);
  assert.equal(wires.length, 2);
  timers.pass(100);
  assert.equal(wires.length, 3);
});

test("a connection that does not open is given up and tried again", () => {
  socket.start();
  timers.pass(4_000);
  assert.equal(wires[0]?.isClosed, true);
  assert.ok(wires.length >= 2);
});

test("a command gets its answer", async () => {
  goLive();
  const outcome = socket.command("order.place", { price: "0.5000" });
  const [sent] = last().commands("order.place");
  last().says({ id: sent.id, ok: { intent_id: 17 } });
  assert.deepEqual(await outcome, { kind: "ok", value: { intent_id: 17 } });
});

test("a refusal carries its words and fields", async () => {
  goLive();
  const outcome = socket.command("order.place", {});
  last().says({
    id: last().commands("order.place")[0].id,
    error: { code: "off_grid", text: "Use 52¢.", fields: { price: "x" } },
  });
  assert.deepEqual(await outcome, { kind: "error", code: "off_grid", text: "Use 52¢.", fields: { price: "x" } });
});

test("a command in flight when the socket drops is unknown, and is never sent again", async () => {
  goLive();
  const outcome = socket.command("order.place", {});

  last().breaks();
  timers.pass(10_000);
  last().accept();
  last().says({ hb: timers.wall() });

  assert.equal((await outcome).kind, "unknown");
  assert.equal(wires.flatMap((wire) => wire.commands("order.place")).length, 1);
});

test("a command that gets no answer is unknown, not failed", async () => {
  goLive();
  const outcome = socket.command("order.place", {});
  for (let n = 0; n < 11; n += 1) {
    timers.pass(1_000);
    last().says({ hb: timers.wall() });
  }
  assert.equal((await outcome).kind, "unknown");
});

test("without a live link a command is certainly not sent", async () => {
  socket.start();
  const outcome = await socket.command("order.place", {});
  assert.equal(outcome.kind, "error");
  assert.equal(outcome.kind === "error" && outcome.code, "not_sent");
  assert.equal(last().sent.length, 0);
});

test("a command after an unnoticed silence is not sent either", async () => {
  goLive();
  timers.sleep(60_000);
  const outcome = await socket.command("order.place", {});
  assert.equal(outcome.kind, "error");
  assert.equal(last().commands("order.place").length, 0);
});

for (const [code, word] of /** @type {[number, RegExp][]} */ ([
  [4401, /sign in/],
  [4403, /not allowed/],
])) {
  test(`close code ${code} ends it, in words`, () => {
    goLive();
    last().breaks(code);
    timers.pass(60_000);
    assert.equal(socket.link.state, "closed");
    assert.match(socket.link.why, word);
    assert.equal(wires.length, 1);
  });
}

test("a ping measures the server's clock", () => {
  socket.start();
  /** @type {any[]} */
  const seen = [];
  socket.onClock((serverMs, sentAt) => seen.push([serverMs, sentAt]));
  last().accept();
  const [ping] = last().commands("ping");
  last().says({ id: ping.id, ok: { at: ping.at, server_ms: 5 } });
  assert.deepEqual(seen, [[5, ping.at]]);
});

test("a topic is fresh after a frame, stale from the loss of the link, fresh again with its state", () => {
  goLive();
  const topics = createTopics(socket);
  /** @type {{fresh: boolean, value: any}[]} */
  const seen = [];
  topics.watch("book:paper:T", (state) => seen.push({ fresh: state.isFresh, value: state.value }));
  last().says({ topic: "book:paper:T", v: 5, d: { yes: [] } });
  assert.deepEqual(seen.at(-1), { fresh: true, value: { yes: [] } });

  last().breaks();
  assert.equal(seen.at(-1)?.fresh, false);
  timers.pass(300);
  last().accept();
  last().says([{ topic: "book:paper:T", v: 5, d: { yes: [] } }, { hb: timers.wall() }]);

  assert.deepEqual(seen.at(-1), { fresh: true, value: { yes: [] } });
});

test("a frame with a smaller version changes nothing", () => {
  goLive();
  const topics = createTopics(socket);
  /** @type {any} */
  let value = null;
  topics.watch("book:paper:T", (state) => (value = state.value));
  last().says({ topic: "book:paper:T", v: 5, d: "new" });
  last().says({ topic: "book:paper:T", v: 4, d: "old" });
  assert.equal(value, "new");
});

test("rows merge by key and version; the first frame replaces everything", () => {
  goLive();
  const topics = createTopics(socket);
  /** @type {any} */
  let rows = null;
  topics.watch("orders:1", (state) => (rows = Object.fromEntries(state.rows.entries())));
  const says = (/** @type {number} */ v, /** @type {any} */ d) => last().says({ topic: "orders:1", v, d });
  says(1, { rows: { a: { v: 1 }, b: { v: 4 } }, all: true });
  says(2, { rows: { a: { v: 2 }, b: { v: 3 }, c: { v: 1 } } });
  assert.deepEqual(rows, { a: { v: 2 }, b: { v: 4 }, c: { v: 1 } });
  says(3, { rows: { a: null } });
  assert.deepEqual(rows, { b: { v: 4 }, c: { v: 1 } });
  says(4, { rows: { d: { v: 1 } }, all: true });
  assert.deepEqual(rows, { d: { v: 1 } });
});
