// How pointer and keys change what is shown.

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Choose a cell of the head's; one in the future is moved to the diagonal. */
function chooseCell(query, key, rest = {}) {
  const { pool, size } = state.head;
  const row = clamp(query, 0, size - 1);
  change({ query: row * pool, key: clamp(key, 0, row) * pool, ...rest });
}

function movePair(key) {
  const [down, right] = ARROWS[key];
  const { pool } = state.head;
  const [query, at] = [Math.floor(state.query / pool), Math.floor(state.key / pool)];
  chooseCell(query + down, at + right);
}

function zoom(factor) {
  const shownNow = plot.count;
  const count = Math.round(shownNow * factor);
  change({ count: count >= state.head.size ? 0 : Math.max(count, LEAST_CELLS) });
}

function onGridKey(event) {
  if (!(event.key in ARROWS)) return;
  event.preventDefault();
  const head = besideHead(state.head, event.key);
  change({ head });
  tiles[head.place].focus();
}

function onPlotKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    '+': () => zoom(0.5),
    '=': () => zoom(0.5),
    '-': () => zoom(2),
    0: () => change({ count: 0 }),
    Enter: () => change({ isPairLocked: !state.isPairLocked }),
  };
  const action = event.key in ARROWS ? () => movePair(event.key) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function tileOf(event) {
  const tile = event.target.closest('[data-place]');
  return tile && heads[Number(tile.dataset.place)];
}

function listenToGrid() {
  const grid = byId('grid');
  grid.addEventListener('keydown', onGridKey);
  grid.addEventListener('pointerover', (event) => {
    const head = tileOf(event);
    if (head && !state.isHeadLocked && head !== state.head) change({ head });
  });
  grid.addEventListener('click', (event) => {
    const head = tileOf(event);
    if (head) change({ head, isHeadLocked: true });
  });
}

function listenToHeatmap() {
  const canvas = byId('heatmap');
  const choose = (event, rest) => {
    const cell = cellAt(event);
    if (cell) chooseCell(...cell, rest);
  };
  canvas.addEventListener('keydown', onPlotKey);
  canvas.addEventListener('pointermove', (event) => {
    if (!state.isPairLocked) choose(event);
  });
  canvas.addEventListener('click', (event) => choose(event, { isPairLocked: true }));
  new ResizeObserver(() => change({})).observe(canvas.parentElement);
}

/** A query of the lines is chosen with the key that it looks at most, a key with the query as is. */
function listenToLines() {
  const choose = (event, rest) => {
    const { cell, side } = event.target.dataset;
    if (side === 'key') chooseCell(Math.floor(state.query / state.head.pool), Number(cell), rest);
    if (side !== 'query') return;
    const row = rowOf(state.head, 'softmax', Number(cell));
    chooseCell(Number(cell), row.indexOf(row.reduce((a, b) => Math.max(a, b))), rest);
  };
  byId('lines').addEventListener('keydown', onPlotKey);
  byId('lines').addEventListener('pointerover', (event) => {
    if (!state.isPairLocked) choose(event);
  });
  byId('lines').addEventListener('click', (event) => choose(event, { isPairLocked: true }));
}

function listenToTables() {
  byId('tables').addEventListener('click', (event) => {
    const { query, key } = event.target.dataset;
    if (query !== undefined) change({ query: Number(query), key: Number(key), isPairLocked: true });
  });
  byId('all-predictions').addEventListener('toggle', fillPredictions, { once: true });
}

function listen() {
  listenToGrid();
  listenToHeatmap();
  listenToLines();
  listenToTables();
  byId('metric').addEventListener('change', (event) => change({ metric: event.target.value }));
  byId('theme').addEventListener('change', (event) => {
    state.theme = event.target.value;
    applyTheme();
  });
  byId('closer').addEventListener('click', () => zoom(0.5));
  byId('farther').addEventListener('click', () => zoom(2));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') change({ isHeadLocked: false, isPairLocked: false });
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
  window.addEventListener('hashchange', () => {
    readHash();
    applyTheme();
  });
}
