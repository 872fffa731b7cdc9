/** The server's clock as this tab knows it: the offset of the fastest answer seen lately is the best estimate. */

/**
 * @param {() => number} localNow Unix ms by this machine's clock
 */
export function createClock(localNow = Date.now) {
  /** @type {{offset: number, error: number, at: number} | null} */
  let best = null;
  const keepMs = 120_000;
  return {
    /**
     * Learn from one exchange. A one-way message (heartbeat) is an answer with an unknown way there:
     * give `sentAt` = null and it only counts while nothing better is known.
     * @param {number} serverMs
     * @param {number | null} sentAt local ms when the question left
     */
    observe(serverMs, sentAt) {
      const now = localNow();
      const error = sentAt === null ? 1_000 : (now - sentAt) / 2;
      if (error < 0) return; // the local clock was set back in between
      if (best && error > best.error && now - best.at < keepMs && now >= best.at) return;
      best = { offset: serverMs + (sentAt === null ? 0 : error) - now, error, at: now };
    },
    /** Unix ms by the server's clock. */
    now: () => localNow() + (best?.offset ?? 0),
    get offset() {
      return best?.offset ?? 0;
    },
    get isKnown() {
      return best !== null;
    },
  };
}

/**
 * "00:42:10", "19 d 04:12", "0.7 s" under ten seconds, "now" at and after zero.
 * @param {number} leftMs
 */
export function formatCountdown(leftMs) {
  if (leftMs <= 0) return "now";
  if (leftMs < 10_000) return `${(Math.ceil(leftMs / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(leftMs / 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days) return `${days} d ${two(hours)}:${two(minutes)}`;
  return `${two(hours)}:${two(minutes)}:${two(seconds % 60)}`;
}
