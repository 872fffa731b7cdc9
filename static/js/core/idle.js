/**
 * When a sign-in ends because nobody acts. The server knows: other tabs count too. This asks it in time, warns a minute
 * before, and tells it of acts, not more often than it needs. No DOM here; `ask` and `timers` are passed in.
 */

export const WARN_S = 60;
const TELL_EVERY_MS = 20_000;
const LOOK_EVERY_MS = 5_000;
const FAILED_MS = 5_000;

/** @typedef {{set(run: () => void, ms: number): any, clear(id: any): void, mono(): number}} Timers */

/** @type {Timers} */
const realTimers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (id) => clearTimeout(id),
  mono: () => performance.now(),
};

/**
 * @param {object} options
 * @param {number} options.idleS seconds without an act; 0: a sign-in ends by its age alone
 * @param {(isAct: boolean) => Promise<number | null>} options.ask tells or only asks; seconds left, null: no answer
 * @param {(leftS: number) => void} options.warn each second while it is near
 * @param {() => void} options.calm the warning goes
 * @param {() => void} options.over the time is up
 * @param {Timers} [options.timers]
 */
export function createIdle({ idleS, ask, warn, calm, over, timers = realTimers }) {
  const warnS = Math.min(WARN_S, idleS / 2);
  /** @type {any} */
  let timer = null;
  let endsAt = 0;
  let toldAt = -Infinity;
  let lookedAt = 0;
  let isWarning = false;

  /** @param {() => void} run @param {number} ms */
  function next(run, ms) {
    timers.clear(timer);
    timer = timers.set(run, ms);
  }

  /** @param {number} leftS */
  function judge(leftS) {
    endsAt = timers.mono() + leftS * 1000;
    if (leftS > warnS) {
      if (isWarning) calm();
      isWarning = false;
      next(look, (leftS - warnS) * 1000);
    } else count();
  }

  function count() {
    const leftS = Math.ceil((endsAt - timers.mono()) / 1000);
    if (leftS <= 0) return over();
    isWarning = true;
    warn(leftS);
    // Another tab may have said that the person is here.
    if (timers.mono() - lookedAt >= LOOK_EVERY_MS) look();
    else next(count, 1000);
  }

  function look() {
    lookedAt = timers.mono();
    put(false);
  }

  /** @param {boolean} isAct */
  async function put(isAct) {
    const leftS = await ask(isAct);
    if (leftS !== null) judge(leftS);
    else if (isWarning) next(count, 1000);
    else next(look, FAILED_MS);
  }

  return {
    start() {
      if (idleS) judge(idleS);
    },
    /** The person did something. */
    act() {
      if (!idleS || (!isWarning && timers.mono() - toldAt < TELL_EVERY_MS)) return;
      toldAt = timers.mono();
      put(true);
    },
  };
}
