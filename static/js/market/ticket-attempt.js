/**
 * One order on its way: its idempotency key, kept in this tab until it is known what became of it. The same
 * terms sent again before that are the same order, and so is the second half of a double click. No DOM here.
 */

const REPEAT_MS = 1_000; // within this of its answer, the same order again is a double press, not a second wish

/** @typedef {{getItem(key: string): string | null, setItem(key: string, value: string): void,
 *   removeItem(key: string): void}} Store */

/**
 * @param {Store} store of the tab
 * @param {string} name in the store
 * @param {{now?: () => number, newKey?: () => string}} [options] now: ms of a clock that is never set back
 */
export function createAttempt(store, name, { now = () => performance.now(), newKey = () => crypto.randomUUID() } = {}) {
  /** @type {{key: string, about: string}} */
  let current = JSON.parse(store.getItem(name) ?? "null") ?? { key: "", about: "" };
  /** @type {{about: string, at: number} | null} */
  let answered = null;

  function forget() {
    current = { key: "", about: "" };
    store.removeItem(name);
  }

  return {
    /** The key of what is on its way, or may be; "" when there is nothing. */
    get key() {
      return current.key;
    },
    /** Was this very order answered a moment ago? @param {string} about the terms, as one text */
    isRepeat: (about) => answered?.about === about && now() - answered.at < REPEAT_MS,
    /** The key to send these terms under. @param {string} about */
    begin(about) {
      if (!current.key || current.about !== about) {
        current = { key: newKey(), about };
        store.setItem(name, JSON.stringify(current));
      }
      return current.key;
    },
    /** The desk took it: its answer says so, or its list. */
    taken() {
      answered = { about: current.about, at: now() };
      forget();
    },
    /** It is in no list. Should it come late after all, the same terms from this page are still that one order. */
    shelve: () => store.removeItem(name),
    /** Nothing of it is left: it was refused. */
    forget,
    /** Somebody touched the ticket since: what comes now is meant. */
    touched() {
      answered = null;
    },
  };
}
