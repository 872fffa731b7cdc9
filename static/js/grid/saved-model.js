/** Filters with a name, as they are kept. No DOM. */

export const MOST_SAVED = 20;

/** @typedef {{name: string, search: string}} Saved search: as in the page's address */

/** @param {string | null} text JSON as kept @returns {Saved[]} */
export function readSaved(text) {
  try {
    const found = JSON.parse(text ?? "[]");
    if (!Array.isArray(found)) return [];
    return found
      .filter((each) => typeof each?.name === "string" && typeof each?.search === "string")
      .map(({ name, search }) => ({ name, search }))
      .slice(0, MOST_SAVED);
  } catch {
    return [];
  }
}

/** The list with one more, or with the one of the same name replaced. @param {Saved[]} saved @param {Saved} one */
export function withSaved(saved, one) {
  const rest = saved.filter(({ name }) => name.toLowerCase() !== one.name.toLowerCase());
  return [...rest, one].toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}
