/** Wall-clock times of a person's zone as instants. No DOM here. */

/**
 * A wall-clock time of the person's zone as an RFC 3339 instant.
 * @param {string} local "2026-11-21T16:00:00"
 * @param {string} zone
 */
export function zonedToIso(local, zone) {
  if (!local) return null;
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) return local; // the server says what is wrong with it
  const wall = (/** @type {number} */ instant) => {
    const parts = Object.fromEntries(
      new Intl.DateTimeFormat("en-GB", {
        timeZone: zone,
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      })
        .formatToParts(instant)
        .map((part) => [part.type, part.value]),
    );
    return Date.parse(`${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}Z`);
  };
  // Twice, because the offset at the first guess may lie on the other side of a clock change.
  let instant = wanted - (wall(wanted) - wanted);
  instant = wanted - (wall(instant) - instant);
  return new Date(instant).toISOString();
}
