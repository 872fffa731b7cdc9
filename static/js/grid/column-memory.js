/** Widths, order, visibility and sorting of a grid's columns, kept per person in this browser. */

const FIELDS = ["colId", "hide", "width", "flex"];

/**
 * @param {string} key names the grid and the person
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage null where the browser gives none
 * @param {{withSort?: boolean}} [options] withSort: where the grid itself sorts
 */
export function createColumnMemory(key, storage, { withSort = false } = {}) {
  const fields = withSort ? [...FIELDS, "sort"] : FIELDS;
  return {
    /** @returns {Record<string, any>[] | null} null when nothing usable is kept */
    load() {
      try {
        const kept = JSON.parse(storage?.getItem(key) ?? "null");
        const isUsable = Array.isArray(kept) && kept.length > 0 && kept.every((one) => typeof one?.colId === "string");
        return isUsable ? kept : null;
      } catch {
        return null;
      }
    },
    /** @param {Record<string, any>[]} state as the grid gives it */
    save(state) {
      const kept = state.map((one) => Object.fromEntries(fields.map((name) => [name, one[name] ?? null])));
      try {
        storage?.setItem(key, JSON.stringify(kept));
      } catch {
        // Full or forbidden storage costs the memory of widths, nothing else.
      }
    },
    forget() {
      try {
        storage?.removeItem(key);
      } catch {
        // As above.
      }
    },
  };
}

/** The browser's own storage; null where it is forbidden. */
export function browserStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
