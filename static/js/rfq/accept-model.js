/**
 * Taking a quote: one attempt per request, whose key is stored before anything is sent, with five honest states.
 * A lost answer, a reload or a second click asks about the same attempt and never makes another (J1). No DOM here.
 */

/** @typedef {"ready" | "sending" | "slow" | "unknown" | "done"} Phase */
/**
 * @typedef {object} Attempt
 * @property {string} idempotency_key
 * @property {string} rfq
 * @property {string} quote_id
 * @property {"yes" | "no"} buys
 * @property {string} price_seen
 */
/** @typedef {{phase: Phase, attempt: Attempt | null, text: string, tone: "" | "bad" | "unknown"}} AcceptView */
/** @typedef {{getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void}} Store */
/** @typedef {{set(run: () => void, ms: number): any, clear(id: any): void}} Timers */

export const TAKING_LONG_MS = 2_000;
export const ABSENT_AFTER_MS = 3_000; // the list was read again, and still does not know of the attempt

const CHECKING = "Sent, but no answer came. Checking what became of it; nothing is sent again.";
const APPROVAL = "Not accepted yet: it is above the desk's threshold, and a lead has to approve it first.";
const ABSENT = "It never reached the desk: nothing was accepted. The quotes are as they stand now.";

/**
 * @param {object} options
 * @param {(name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>} options.command
 * @param {Store} options.store of this tab
 * @param {(rfq: string) => void} options.onChange
 * @param {() => string} [options.newKey]
 * @param {Timers} [options.timers]
 */
export function createAccepts({ command, store, onChange, newKey = () => crypto.randomUUID(), timers = realTimers }) {
  /** @type {Map<string, AcceptView>} */
  const views = new Map();
  /** @type {Map<string, any>} */
  const absentTimers = new Map();
  const storeKey = (/** @type {string} */ rfq) => `rfq-accept:${rfq}`;

  /** @param {string} rfq @returns {AcceptView} */
  function viewOf(rfq) {
    const known = views.get(rfq);
    if (known) return known;
    // A reload in the middle of an attempt: the rows decide what became of it.
    const kept = store.getItem(storeKey(rfq));
    /** @type {AcceptView} */
    const view = kept
      ? { phase: "unknown", attempt: JSON.parse(kept), text: CHECKING, tone: "unknown" }
      : { phase: "ready", attempt: null, text: "", tone: "" };
    views.set(rfq, view);
    return view;
  }

  /** @param {string} rfq @param {AcceptView} view */
  function put(rfq, view) {
    views.set(rfq, view);
    if (view.attempt) store.setItem(storeKey(rfq), JSON.stringify(view.attempt));
    else store.removeItem(storeKey(rfq));
    onChange(rfq);
  }

  return {
    viewOf,
    /** In flight: every button of the request waits. @param {string} rfq */
    isLocked: (rfq) => viewOf(rfq).phase !== "ready",
    /**
     * Take an offer, once. A click while one is in flight is not a second one.
     * @param {{rfq: string, quote_id: string, buys: "yes" | "no", price_seen: string}} wanted
     * @returns {Promise<boolean>} whether the desk has it
     */
    async take(wanted) {
      const { rfq } = wanted;
      if (viewOf(rfq).phase !== "ready") return false;
      const attempt = { idempotency_key: newKey(), ...wanted };
      put(rfq, { phase: "sending", attempt, text: "", tone: "" });
      const slow = timers.set(() => {
        const view = viewOf(rfq);
        if (view.phase === "sending") put(rfq, { ...view, phase: "slow" });
      }, TAKING_LONG_MS);
      const answer = await command("rfq.accept", attempt);
      timers.clear(slow);
      if (viewOf(rfq).attempt?.idempotency_key !== attempt.idempotency_key) return true; // its row came first
      if (answer.kind === "unknown") put(rfq, { phase: "unknown", attempt, text: CHECKING, tone: "unknown" });
      else if (answer.kind === "error") put(rfq, { phase: "ready", attempt: null, text: answer.text, tone: "bad" });
      else if (answer.value["approval"]) put(rfq, { phase: "ready", attempt: null, text: APPROVAL, tone: "unknown" });
      else put(rfq, { phase: "done", attempt: null, text: "", tone: "" });
      return answer.kind === "ok" && !answer.value["approval"];
    },
    /**
     * A row of the request came. It ends an attempt that it shows; after a lapse the request is ready again.
     * @param {Record<string, any>} row
     */
    see(row) {
      const rfq = String(row["key"]);
      const view = viewOf(rfq);
      if (view.phase === "ready" || (view.phase !== "unknown" && view.phase !== "done")) return;
      const { attempt } = view;
      const about = [...(row["lapsed"] ?? []), ...(row["accept"] ? [row["accept"]] : [])];
      const isShown = attempt && about.some((one) => one.quote_id === attempt.quote_id && one.buys === attempt.buys);
      if (view.phase === "done" || isShown) {
        timers.clear(absentTimers.get(rfq));
        put(rfq, { phase: "ready", attempt: null, text: "", tone: "" });
      }
    },
    /** The rows were read again after a reconnection: what they do not know of a while later never arrived. @param {string[]} rfqs */
    caughtUp(rfqs) {
      for (const rfq of rfqs) {
        if (viewOf(rfq).phase !== "unknown") continue;
        timers.clear(absentTimers.get(rfq));
        const settle = () => {
          if (viewOf(rfq).phase === "unknown")
            put(rfq, { phase: "ready", attempt: null, text: ABSENT, tone: "unknown" });
        };
        absentTimers.set(rfq, timers.set(settle, ABSENT_AFTER_MS));
      }
    },
    /** What was said is no longer about what is shown. @param {string} rfq */
    clear(rfq) {
      const view = viewOf(rfq);
      if (view.phase === "ready" && view.text) put(rfq, { ...view, text: "", tone: "" });
    },
  };
}

/** @type {Timers} */
const realTimers = { set: (run, ms) => setTimeout(run, ms), clear: (id) => clearTimeout(id) };

/** A button whose price or place has just changed waits this long: the finger was on its way to what stood there. */
export const REARM_MS = 300;

/**
 * Remembers what stood where, and until when a button that changed is not armed.
 * @param {() => number} now monotonic, ms
 */
export function createRearm(now) {
  /** @type {Map<string, {price: string, place: number, until: number}>} */
  let slots = new Map();
  return {
    /**
     * Note what a request's buttons show now; returns those whose price has changed, for the eye.
     * @param {string} rfq
     * @param {{id: string, price: string, place: number}[]} buttons place: its row, so that a moved one waits too
     * @returns {string[]}
     */
    show(rfq, buttons) {
      const next = new Map();
      const flashed = [];
      for (const { id, price, place } of buttons) {
        const key = `${rfq}|${id}`;
        const before = slots.get(key);
        const isSame = before !== undefined && before.price === price && before.place === place;
        next.set(key, { price, place, until: isSame ? before.until : now() + REARM_MS });
        if (before && before.price !== price) flashed.push(id);
      }
      slots = next;
      return flashed;
    },
    /** @param {string} rfq @param {string} id */
    isArmed: (rfq, id) => (slots.get(`${rfq}|${id}`)?.until ?? Infinity) <= now(),
    /** ms until the last one is armed; 0: all are. */
    waitMs: () => Math.max(0, ...[...slots.values()].map(({ until }) => until - now())),
  };
}
