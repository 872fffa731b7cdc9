/**
 * The tab's one socket (docs/realtime.md). It keeps subscriptions over reconnections, never repeats a
 * command, and says at once when what the page shows may be old: after 3 s without a heartbeat, after the
 * tab slept, when the network went. No DOM here: `transport` and `timers` are passed in, tests pass fakes.
 */

/** @typedef {"connecting" | "live" | "stale" | "closed"} LinkState */
/** @typedef {{state: LinkState, why: string, since: number}} Link `since`: Unix ms of the last good sign */
/**
 * Answers "did it happen?": `error` means refused or never sent, nothing changed; `unknown` means it left and
 * no answer came, so look before trying again.
 * @typedef {{kind: "ok", value: any}
 *   | {kind: "error", code: string, text: string, fields: Record<string, string>}
 *   | {kind: "unknown", text: string}} Outcome
 */
/** @typedef {{send(text: string): void, close(code?: number): void,
 *   onopen: any, onmessage: any, onclose: any, onerror: any}} Wire */
/** @typedef {{set(run: () => void, ms: number): any, clear(id: any): void, wall(): number, mono(): number}} Timers */

export const SILENCE_MS = 3_000;
const TICK_MS = 500;
const CONNECT_MS = 2_500;
const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];
const COMMAND_MS = 10_000;

/** @type {Timers} */
const realTimers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (id) => clearTimeout(id),
  wall: () => Date.now(),
  mono: () => performance.now(),
};

/**
 * @param {object} options
 * @param {() => Wire} options.open makes a new WebSocket
 * @param {Timers} [options.timers]
 * @param {() => number} [options.random] 0 to 1, spreads reconnections of many tabs
 */
export function createSocket({ open, timers = realTimers, random = Math.random }) {
  /** @type {Wire | null} */
  let wire = null;
  let isOpen = false;
  let isStopped = false;
  let failures = 0;
  let lastId = 0;
  /** @type {any} */
  let retryTimer = null;
  /** @type {any} */
  let tickTimer = null;
  let heard = { wall: timers.wall(), mono: timers.mono() };
  let openedAt = 0;
  /** @type {Link} */
  let link = { state: "connecting", why: "connecting", since: timers.wall() };

  /** @type {Map<string, Set<(frame: any) => void>>} */
  const topics = new Map();
  /** @type {Map<number, {settle: (outcome: Outcome) => void, timer: any}>} */
  const waiting = new Map();
  /** @type {Set<(link: Link) => void>} */
  const linkListeners = new Set();
  /** @type {Set<(serverMs: number, sentAt: number | null) => void>} */
  const clockListeners = new Set();
  /** @type {Set<() => void>} */
  const lessListeners = new Set();
  /** What the desk gave, by topic: of which subaccounts, null for all. @type {Map<string, number[] | null>} */
  const given = new Map();
  /** Topics of subscriptions without an answer, by message. @type {Map<number, string[]>} */
  const asked = new Map();

  /** @param {LinkState} state @param {string} why */
  function setLink(state, why) {
    if (link.state === state && link.why === why) return;
    link = { state, why, since: state === "live" ? timers.wall() : link.since };
    linkListeners.forEach((listener) => listener(link));
  }

  /** The longer of both clocks: one stops while a machine sleeps, the other can be set back. */
  function silence() {
    return Math.max(timers.wall() - heard.wall, timers.mono() - heard.mono);
  }

  function hear() {
    heard = { wall: timers.wall(), mono: timers.mono() };
    link.since = heard.wall;
  }

  function connect() {
    timers.clear(retryTimer);
    retryTimer = null;
    if (isStopped || wire) return;
    openedAt = timers.mono();
    const current = open();
    wire = current;
    current.onopen = () => {
      if (wire !== current) return;
      isOpen = true;
      hear();
      if (topics.size) ask([...topics.keys()]);
      measure();
    };
    current.onmessage = (/** @type {{data: string}} */ event) => {
      if (wire === current) receive(event.data);
    };
    current.onclose = (/** @type {{code?: number}} */ event) => {
      if (wire === current) lost(event?.code ?? 1006);
    };
    current.onerror = () => {};
  }

  /** @param {number} code */
  function lost(code) {
    drop();
    if (code === 4401) return stop("signed out: sign in again");
    if (code === 4409 || (code === 4403 && given.size)) return less();
    if (code === 4403) return stop("not allowed: ask an admin of the desk");
    setLink("stale", code === 4429 ? "too many messages: waiting" : "connection lost: reconnecting");
    const step = code === 4429 ? BACKOFF_MS.length - 1 : Math.min(failures, BACKOFF_MS.length - 1);
    failures += 1;
    retryTimer = timers.set(connect, (BACKOFF_MS[step] ?? 8_000) * (0.5 + random() / 2));
  }

  function drop() {
    const old = wire;
    wire = null;
    isOpen = false;
    if (old) {
      old.onopen = old.onmessage = old.onclose = old.onerror = () => {};
      old.close();
    }
    for (const { settle, timer } of waiting.values()) {
      timers.clear(timer);
      settle({ kind: "unknown", text: "Sent, but the connection was lost before the answer. Checking." });
    }
    waiting.clear();
    asked.clear();
  }

  /** Something on the page is no longer this person's to see: it must go, at once. */
  function less() {
    drop();
    stop("what you may see has changed");
    lessListeners.forEach((listener) => listener());
  }

  /** @param {string} why */
  function stop(why) {
    isStopped = true;
    timers.clear(retryTimer);
    timers.clear(tickTimer);
    setLink("closed", why);
  }

  /** What is shown may be old: say so now, then fetch everything anew over a fresh connection. @param {string} why */
  function resync(why) {
    if (isStopped) return;
    setLink("stale", why);
    drop();
    failures = 0;
    connect();
  }

  function tick() {
    const quiet = silence();
    if (isOpen && quiet > SILENCE_MS) resync("no sign of the server: reconnecting");
    else if (wire && !isOpen && timers.mono() - openedAt > CONNECT_MS) lost(1006);
    tickTimer = timers.set(tick, TICK_MS);
  }

  /** @param {string} data */
  function receive(data) {
    // Messages that queued up while the tab slept arrive first of all: they are old.
    if (silence() > SILENCE_MS) return resync("the tab was asleep: catching up");
    hear();
    const parsed = JSON.parse(data);
    (Array.isArray(parsed) ? parsed : [parsed]).forEach(dispatch);
  }

  /** @param {any} message */
  function dispatch(message) {
    if ("hb" in message) {
      wire?.send(JSON.stringify({ ack: message.hb }));
      clockListeners.forEach((listener) => listener(message.hb, null));
      failures = 0;
      setLink("live", "");
    } else if ("topic" in message) {
      topics.get(message.topic)?.forEach((listener) => listener(message));
    } else if ("id" in message) {
      answer(message);
    }
  }

  /** @param {{id: number, ok?: any, error?: {code: string, text: string, fields?: Record<string, string>}}} message */
  function answer(message) {
    if (typeof message.ok?.at === "number" && typeof message.ok?.server_ms === "number") {
      const { server_ms, at } = message.ok;
      clockListeners.forEach((listener) => listener(server_ms, at));
      setLink("live", "");
    }
    const subscribed = asked.get(message.id);
    if (subscribed) {
      asked.delete(message.id);
      return compare(subscribed, message);
    }
    const waiter = waiting.get(message.id);
    if (!waiter) return;
    waiting.delete(message.id);
    timers.clear(waiter.timer);
    if (message.error) {
      const { code, text, fields = {} } = message.error;
      waiter.settle({ kind: "error", code, text, fields });
    } else {
      waiter.settle({ kind: "ok", value: message.ok ?? {} });
    }
  }

  /** @param {Record<string, unknown>} message */
  function send(message) {
    lastId += 1;
    wire?.send(JSON.stringify({ id: lastId, ...message }));
    return lastId;
  }

  /** @param {string[]} names */
  function ask(names) {
    if (!isOpen) return;
    asked.set(send({ cmd: "subscribe", topics: names }), names);
  }

  /**
   * While there was no connection a right may have ended, too: then less is given than before.
   * @param {string[]} names
   * @param {{ok?: {topics?: string[], parts?: Record<string, number[]>}, error?: {code: string}}} answer
   */
  function compare(names, { ok, error }) {
    if (error) {
      if (error.code !== "not_found") return;
      // All are refused for one: the others are asked for without it.
      const half = Math.ceil(names.length / 2);
      if (names.length > 1) [names.slice(0, half), names.slice(half)].forEach(ask);
      else if (names.some((name) => given.has(name))) less();
      return;
    }
    const got = new Set(ok?.topics ?? names);
    let isLess = false;
    for (const name of names.filter((one) => topics.has(one))) {
      const before = given.get(name);
      const now = ok?.parts?.[name] ?? null;
      if (before !== undefined) isLess ||= !got.has(name) || isNarrower(before, now);
      if (got.has(name)) given.set(name, now);
    }
    if (isLess) less();
  }

  function measure() {
    if (isOpen) send({ cmd: "ping", at: timers.wall() });
  }

  return {
    start() {
      connect();
      tickTimer = timers.set(tick, TICK_MS);
    },
    /**
     * Call listener({topic, v, d}) for each frame; returns an unsubscribe function.
     * @param {string} topic
     * @param {(frame: {topic: string, v: number, d: any}) => void} listener
     */
    subscribe(topic, listener) {
      const listeners = topics.get(topic) ?? new Set();
      listeners.add(listener);
      if (!topics.has(topic)) {
        topics.set(topic, listeners);
        if (isOpen) ask([topic]);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size || topics.get(topic) !== listeners) return;
        topics.delete(topic);
        given.delete(topic);
        if (isOpen) send({ cmd: "unsubscribe", topics: [topic] });
      };
    },
    /**
     * Send a command once. It is never sent again, not even after a reconnection.
     * @param {string} name
     * @param {Record<string, unknown>} params
     * @returns {Promise<Outcome>}
     */
    command(name, params) {
      if (!isOpen || link.state !== "live" || silence() > SILENCE_MS) {
        const text = `Not sent: ${link.why || "no connection to the desk"}. Try again when the page is live.`;
        return Promise.resolve({ kind: "error", code: "not_sent", text, fields: {} });
      }
      return new Promise((settle) => {
        const id = send({ cmd: name, params });
        const timer = timers.set(() => {
          waiting.delete(id);
          settle({ kind: "unknown", text: "Sent, but no answer has come. Checking." });
        }, COMMAND_MS);
        waiting.set(id, { settle, timer });
      });
    },
    /** The page came back (visible, shown, online): check before anything on it is believed. */
    wake() {
      if (isStopped) return;
      if (silence() > SILENCE_MS) resync("the tab was asleep: catching up");
      else if (!wire) connect();
      else measure();
    },
    resync,
    measure,
    stop(why = "closed") {
      drop();
      stop(why);
    },
    get link() {
      return link;
    },
    /** @param {(link: Link) => void} listener called now and on each change */
    onLink(listener) {
      linkListeners.add(listener);
      listener(link);
      return () => linkListeners.delete(listener);
    },
    /** Call listener() once when something that the page shows is no longer the person's. @param {() => void} listener */
    onLess(listener) {
      lessListeners.add(listener);
      return () => lessListeners.delete(listener);
    },
    /** @param {(serverMs: number, sentAt: number | null) => void} listener */
    onClock(listener) {
      clockListeners.add(listener);
      return () => clockListeners.delete(listener);
    },
  };
}

/** @param {number[] | null} before @param {number[] | null} now subaccounts; null: all */
const isNarrower = (before, now) => now !== null && (before === null || before.some((number) => !now.includes(number)));

/** @typedef {ReturnType<typeof createSocket>} Socket */

/**
 * Tell the socket about the tab's life: hidden, frozen, back from the cache, off the network.
 * @param {Socket} socket
 * @param {{page: EventTarget & {visibilityState?: string}, win: EventTarget}} where
 */
export function watchTab(socket, { page, win }) {
  page.addEventListener("visibilitychange", () => {
    if (page.visibilityState === "visible") socket.wake();
  });
  page.addEventListener("resume", () => socket.resync("the tab was asleep: catching up"));
  win.addEventListener("pageshow", (event) => {
    if (/** @type {PageTransitionEvent} */ (event).persisted) socket.resync("the tab was asleep: catching up");
  });
  win.addEventListener("online", () => socket.resync("the network is back: catching up"));
  win.addEventListener("offline", () => socket.resync("no network"));
}
