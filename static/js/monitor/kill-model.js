/** The kill switch in words. No DOM. */

/** @typedef {{id: number, name: string, environment: string, orders: number | null, quotes: number | null, rfqs: number | null, groups: number, problems: string[], ended: Record<string, number>}} Account */
/** @typedef {{id: number, why: string, by: string, at_ms: number, passes: number, looked_ms: number | null, clean_ms: number | null, unresolved: number, accounts: Account[]}} Run */
/** @typedef {{file: boolean, run: Run | null}} Frame of the topic `kill:<account>` */

/** @param {Frame | null} frame */
export const isKilled = (frame) => frame !== null && (frame.file || frame.run !== null);

/** What is left in all, or null while something could not be read. @param {Run} run */
export function leftOf(run) {
  let left = run.unresolved;
  for (const { orders, quotes, rfqs, groups } of run.accounts) {
    if (orders === null || quotes === null || rfqs === null) return null;
    left += orders + quotes + rfqs + groups;
  }
  return run.passes === 0 ? null : left;
}

/** The line of the banner. @param {Frame} frame */
export function bannerWords(frame) {
  if (!frame.run) return "outside of the database: every order of this machine is held back.";
  const why = frame.run.why ? `: ${frame.run.why}` : "";
  return `by ${frame.run.by}${why}. ${leftWords(frame.run)}`;
}

/** @param {Run} run */
export function leftWords(run) {
  if (run.clean_ms !== null) return "Nothing is left at the exchange.";
  const left = leftOf(run);
  if (left === null) return "What is left is not known yet.";
  return left === 0 ? "Nothing is listed any more, checking." : `${left.toLocaleString("en")} left at the exchange.`;
}

/** The cells of the table, row by row. @param {Run} run */
export function leftRows(run) {
  const count = (/** @type {number | null} */ value) => (value === null ? "not read" : String(value));
  return run.accounts.map(({ name, environment, orders, quotes, rfqs, groups, problems, ended }) => ({
    name,
    environment,
    cells: [
      count(orders),
      count(quotes),
      count(rfqs),
      String(groups),
      `${ended["orders"] ?? 0} orders, ${ended["quotes"] ?? 0} quotes, ${ended["rfqs"] ?? 0} requests, ${ended["groups"] ?? 0} groups`,
      problems.join("; "),
    ],
  }));
}
