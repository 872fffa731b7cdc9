/* Draws 250 changes in 5 s into a ladder of 999 rows, and says how long its draws and the frames took. */
async () => {
  const script = document.querySelector("script[src*='market/index']").src;
  const { createLadder } = await import(script.replace(/index[^/]*$/, "ladder-view.js"));
  const root = document.querySelector("[data-ladder]");
  const ladder = createLadder(root, {
    prices: Array.from({ length: 999 }, (_, index) => (index + 1) * 10),
    step: 10,
    format: "cents",
  });
  const sides = { yes: new Map(), no: new Map() };
  for (let level = 1; level <= 480; level += 1) {
    sides.yes.set(level * 10, 100 + level);
    sides.no.set(level * 10, 100 + level);
  }
  const price = (units) => `0.${String(units).padStart(4, "0")}`;
  const list = (side) => [...side].map(([units, count]) => [price(units), `${count}.00`]);
  const show = () => ladder.show({ yes: list(sides.yes), no: list(sides.no) });
  const frameNow = (run) => new Promise((done) => requestAnimationFrame((at) => done(run(at))));

  show();
  await frameNow(() => {});
  await frameNow(() => {});
  const schedule = window.requestAnimationFrame.bind(window);
  const costs = [];
  window.requestAnimationFrame = (draw) =>
    schedule((at) => {
      const start = performance.now();
      draw(at);
      costs.push(performance.now() - start);
    });
  const gaps = [];
  let isRunning = true;
  let before = 0;
  schedule(function count(at) {
    if (before) gaps.push(at - before);
    before = at;
    if (isRunning) schedule(count);
  });
  for (let change = 0; change < 250; change += 1) {
    await new Promise((done) => setTimeout(done, 20));
    const side = change % 2 ? sides.yes : sides.no;
    // A fixed walk over the thirty best levels, so that each run draws the same changes.
    side.set((480 - ((change * 7) % 30)) * 10, 1 + ((change * 37) % 400));
    show();
  }
  await new Promise((done) => schedule(() => schedule(done)));
  isRunning = false;
  window.requestAnimationFrame = schedule;
  const at = (values, share) => {
    const sorted = [...values].sort((one, other) => one - other);
    return Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
  };
  let wrong = 0;
  for (const row of root.querySelectorAll("[data-price]")) {
    const units = Number(row.dataset.price);
    const text = (name) => row.querySelector(`.ladder__${name}`).textContent;
    const is = (side, key) => (side.has(key) ? String(side.get(key)) : "");
    if (text("bid") !== is(sides.yes, units) || text("ask") !== is(sides.no, 10_000 - units)) wrong += 1;
  }
  return {
    rows: root.querySelectorAll("[data-price]").length,
    draws: costs.length,
    draw_ms: { p50: at(costs, 0.5), p99: at(costs, 0.99) },
    frame_ms: { p50: at(gaps, 0.5), p95: at(gaps, 0.95) },
    wrong,
  };
};
