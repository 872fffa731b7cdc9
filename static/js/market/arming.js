/**
 * Whether a click on the ladder may send an order. Armed is never a lasting state: it lapses when it is
 * not used, and ends at once when the book is not live or trading is not possible. No DOM here.
 */

/** @typedef {{isArmed: boolean, leftMs: number, why: string}} ArmedState `why`: what ended it, or forbids it */
/** @typedef {{set(run: () => void, ms: number): any, clear(id: any): void, now(): number}} Timers */

const REPEAT_MS = 500;
const TICK_MS = 1_000;

/**
 * Milliseconds that never go back and count a sleep of the machine, too: of both clocks the one that went on further,
 * since one may stand still in a sleep and the other can be set back.
 * @param {() => number} mono
 * @param {() => number} wall
 */
export function createWakefulClock(mono, wall) {
  let at = 0;
  let seen = { mono: mono(), wall: wall() };
  return () => {
    const now = { mono: mono(), wall: wall() };
    at += Math.max(0, now.mono - seen.mono, now.wall - seen.wall);
    seen = now;
    return at;
  };
}

/** @type {Timers} */
const realTimers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (id) => clearTimeout(id),
  now: createWakefulClock(
    () => performance.now(),
    () => Date.now(),
  ),
};

/**
 * @param {object} options
 * @param {number} options.lapseMs without use it ends after this
 * @param {(state: ArmedState) => void} options.onChange also each second while armed, for the countdown
 * @param {Timers} [options.timers]
 */
export function createArming({ lapseMs, onChange, timers = realTimers }) {
  let isArmed = false;
  let until = 0;
  let life = lapseMs;
  let why = "";
  let blocked = "";
  let previous = { what: "", at: -Infinity };
  /** @type {any} */
  let timer = null;

  const state = () => ({ isArmed, leftMs: isArmed ? Math.max(0, until - timers.now()) : 0, why: blocked || why });

  function tick() {
    timers.clear(timer);
    if (!isArmed) return;
    const left = until - timers.now();
    if (left <= 0) return disarm(`It lapsed after ${life / 1_000} s without use.`);
    timer = timers.set(tick, Math.min(left, TICK_MS));
    onChange(state());
  }

  /** @param {string} [reason] */
  function disarm(reason = "") {
    timers.clear(timer);
    if (!isArmed) return;
    isArmed = false;
    why = reason;
    onChange(state());
  }

  return {
    /** Returns whether it is armed now. */
    arm() {
      if (blocked) return false;
      isArmed = true;
      why = "";
      until = timers.now() + life;
      tick();
      return true;
    },
    disarm,
    /** Why orders cannot go now; it ends what is armed and keeps it from being armed. @param {string} reason "" allows */
    block(reason) {
      if (reason === blocked) return;
      blocked = reason;
      if (reason && isArmed) disarm(reason);
      else onChange(state());
    },
    /**
     * One use of the armed state. False when it is not armed or lapsed a moment ago, and for the second
     * half of a double click: the same order within half a second is meant once.
     * @param {string} what names the order: side, price and count
     */
    use(what) {
      const now = timers.now();
      if (!isArmed) return false;
      if (now >= until) {
        tick();
        return false;
      }
      const isRepeat = previous.what === what && now - previous.at < REPEAT_MS;
      previous = { what, at: now };
      if (isRepeat) return false;
      until = now + life;
      tick();
      return true;
    },
    /** @param {number} ms */
    setLapse(ms) {
      life = ms;
      if (isArmed) until = Math.min(until, timers.now() + ms);
      tick();
    },
    get state() {
      return state();
    },
  };
}
