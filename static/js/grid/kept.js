/**
 * How a person likes the lists of a page: kept by the desk, so that each of their browsers shows the same. Looks like
 * a Storage; this browser's own storage only holds what has not reached the desk yet.
 */

const PAUSE_MS = 500;

/**
 * @param {object} options
 * @param {Record<string, any>} options.told what the page came with, by key
 * @param {string} options.person
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} options.storage
 * @param {(key: string, text: string) => Promise<boolean>} options.save text "": forget; whether it is kept now
 * @param {{set: (run: () => void, ms: number) => any, clear: (id: any) => void}} [options.timers]
 */
export function createKept({
  told,
  person,
  storage,
  save,
  timers = { set: (run, ms) => setTimeout(run, ms), clear: (id) => clearTimeout(id) },
}) {
  /** What is not known to be kept by the desk, by key. @type {Map<string, string>} */
  const pending = new Map();
  /** @type {any} */
  let timer;
  const name = (/** @type {string} */ key) => `desk:kept:${person}:${key}`;

  /** @param {string} key @param {string | null} text */
  function cache(key, text) {
    try {
      if (text === null) storage?.removeItem(name(key));
      else storage?.setItem(name(key), text);
    } catch {
      // Full or forbidden storage: it then counts from the next successful save on.
    }
  }

  function cached(/** @type {string} */ key) {
    try {
      return storage?.getItem(name(key)) ?? null;
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {string} text */
  function change(key, text) {
    pending.set(key, text);
    cache(key, text);
    timers.clear(timer);
    timer = timers.set(() => void flush(), PAUSE_MS);
  }

  /** Send what waits. */
  async function flush() {
    timers.clear(timer);
    await Promise.all(
      [...pending].map(async ([key, text]) => {
        const isKept = await save(key, text).catch(() => false);
        if (!isKept || pending.get(key) !== text) return;
        pending.delete(key);
        cache(key, null);
      }),
    );
  }

  return {
    /** JSON text, or null. @param {string} key */
    getItem(key) {
      const unsent = pending.get(key) ?? cached(key);
      if (unsent !== null && unsent !== undefined) {
        // A change of before that did not reach the desk: it goes now.
        if (!pending.has(key)) change(key, unsent);
        return unsent === "" ? null : unsent;
      }
      return key in told ? JSON.stringify(told[key]) : null;
    },
    /** @param {string} key @param {string} text JSON */
    setItem(key, text) {
      if (this.getItem(key) !== text) change(key, text);
    },
    /** @param {string} key */
    removeItem: (key) => change(key, ""),
    flush,
  };
}
