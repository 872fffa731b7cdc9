/**
 * Rows of one topic of mode "rows", by key. Frames carry whole rows with a rising `v`, so applying a
 * frame twice, or out of order, changes nothing.
 */

/** @typedef {{v: number, [field: string]: any}} Row */

/**
 * @template {Row} T
 */
export function createRowStore() {
  /** @type {Map<string, T>} */
  const rows = new Map();
  /** @type {Set<(key: string, row: T | undefined) => void>} */
  const listeners = new Set();
  /** @param {string} key */
  const notify = (key) => listeners.forEach((listener) => listener(key, rows.get(key)));
  return {
    /**
     * Replace everything. The server sends this after each subscription and reconnection.
     * @param {Record<string, T | null>} all
     */
    reset(all) {
      const gone = [...rows.keys()].filter((key) => !all[key]);
      const changed = Object.keys(all).filter((key) => all[key] && rows.get(key)?.v !== all[key]?.v);
      rows.clear();
      for (const [key, row] of Object.entries(all)) if (row) rows.set(key, row);
      [...gone, ...changed].forEach(notify);
    },
    /**
     * Insert or replace one row. Returns false when this version or a newer one is already shown.
     * @param {string} key
     * @param {T} row
     */
    upsert(key, row) {
      if ((rows.get(key)?.v ?? -1) >= row.v) return false;
      rows.set(key, row);
      notify(key);
      return true;
    },
    /** @param {string} key */
    remove(key) {
      if (rows.delete(key)) notify(key);
    },
    /** @param {string} key */
    get: (key) => rows.get(key),
    keys: () => [...rows.keys()],
    values: () => [...rows.values()],
    entries: () => [...rows.entries()],
    get size() {
      return rows.size;
    },
    /**
     * Call listener(key, row or undefined) on each change; returns an unsubscribe function.
     * @param {(key: string, row: T | undefined) => void} listener
     */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
