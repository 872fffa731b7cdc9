/** What the command palette offers for a text: pure, so that its order can be tested. */

/** @typedef {{kind: "page" | "action" | "market", label: string, detail?: string, url?: string, run?: () => void}} Entry */

/**
 * How well `text` answers `query`: 0 not at all; a match at the start beats one at a word, beats one anywhere.
 * @param {string} text
 * @param {string} query
 */
export function score(text, query) {
  const hay = text.toLowerCase();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  let total = 0;
  for (const word of words) {
    const at = hay.indexOf(word);
    if (at < 0) return 0;
    total += at === 0 ? 3 : /[\s\-_/]/.test(hay[at - 1] ?? "") ? 2 : 1;
  }
  return words.length ? total / words.length : 1;
}

/**
 * Best first, ties in the given order; without a query everything, as given.
 * @param {Entry[]} entries
 * @param {string} query
 * @param {number} [limit]
 */
export function rank(entries, query, limit = 12) {
  return entries
    .map((entry, index) => ({ entry, index, points: score(`${entry.label} ${entry.detail ?? ""}`, query.trim()) }))
    .filter(({ points }) => points > 0)
    .sort((a, b) => b.points - a.points || a.index - b.index)
    .slice(0, limit)
    .map(({ entry }) => entry);
}

/**
 * Where the selection goes; wraps at both ends.
 * @param {number} at
 * @param {number} step
 * @param {number} count
 */
export function moveSelection(at, step, count) {
  return count ? (at + step + count) % count : -1;
}
