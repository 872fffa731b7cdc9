/** Widths, order and visibility of columns, kept per person in this browser. Nothing else is kept. */

const FIELDS = ["colId", "hide", "width", "flex"];

/**
 * @param {string} person row id
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage null where the browser gives none
 */
export function createColumnMemory(person, storage) {
  const key = `desk:markets:columns:${person}`;
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
    /** @param {Record<string, any>[]} state as the grid gives it; the order of rows is not part of it */
    save(state) {
      const kept = state.map((one) => Object.fromEntries(FIELDS.map((name) => [name, one[name] ?? null])));
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
