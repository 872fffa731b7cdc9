/** A squarified treemap: areas in proportion to values, shapes near to squares. Pure geometry. */

/**
 * @template T
 * @typedef {{item: T, x: number, y: number, width: number, height: number}} Tile
 */

/**
 * @template T
 * @param {T[]} items
 * @param {(item: T) => number} sizeOf sizes of zero or less take no room
 * @param {number} width
 * @param {number} height
 * @returns {Tile<T>[]} the largest first
 */
export function treemap(items, sizeOf, width, height) {
  const sized = items
    .map((item) => ({ item, size: sizeOf(item) }))
    .filter(({ size }) => size > 0)
    .sort((one, other) => other.size - one.size);
  const total = sized.reduce((sum, { size }) => sum + size, 0);
  if (!total || width <= 0 || height <= 0) return [];
  const scale = (width * height) / total;
  const waiting = sized.map(({ item, size }) => ({ item, area: size * scale }));
  /** @type {Tile<T>[]} */
  const tiles = [];
  let x = 0;
  let y = 0;
  let [left, top] = [width, height];
  while (waiting.length) {
    const side = Math.min(left, top);
    const row = [/** @type {{item: T, area: number}} */ (waiting.shift())];
    while (waiting.length) {
      const next = /** @type {{item: T, area: number}} */ (waiting[0]);
      if (worstShape([...row, next], side) > worstShape(row, side)) break;
      row.push(/** @type {{item: T, area: number}} */ (waiting.shift()));
    }
    const area = row.reduce((sum, one) => sum + one.area, 0);
    const depth = side ? area / side : 0;
    let at = 0;
    for (const one of row) {
      const length = depth ? one.area / depth : 0;
      if (left >= top) tiles.push({ item: one.item, x, y: y + at, width: depth, height: length });
      else tiles.push({ item: one.item, x: x + at, y, width: length, height: depth });
      at += length;
    }
    if (left >= top) [x, left] = [x + depth, left - depth];
    else [y, top] = [y + depth, top - depth];
  }
  return tiles;
}

/** The longest side over the shortest, of the least square of a row of tiles. @param {{area: number}[]} row @param {number} side */
function worstShape(row, side) {
  const sum = row.reduce((total, one) => total + one.area, 0);
  const depth = sum / side;
  return Math.max(...row.map(({ area }) => Math.max(depth ** 2 / area, area / depth ** 2)));
}
