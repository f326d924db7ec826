// What is shown, how pointer and keys change it, and the hash of the URL that restores it.

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const THEMES = ['auto', 'light', 'dark'];

// Tokens `query` and `key` are counted in the text; `count` cells are shown, 0 means all.
const state = {
  head: heads[data.opened], query: 0, key: 0, stage: 'softmax', metric: data.metric, count: 0,
  theme: 'auto', isHeadLocked: false, isPairLocked: false,
};
let isDue = false;

/** Change what is shown; it is drawn with the next frame of the screen. */
function change(changes) {
  Object.assign(state, changes);
  if (changes.head && !state.isPairLocked) Object.assign(state, strongestPair(changes.head));
  if (!isDue) requestAnimationFrame(render);
  isDue = true;
}

/** The head's most telling link: a large weight among many keys says more than among few. */
function strongestPair(head) {
  const told = ([query, , weight]) => weight * Math.log2(query + 1);
  const [query, key] = head.links.reduce((a, b) => (told(b) > told(a) ? b : a), [0, 0, 0]);
  return { query, key };
}

function render() {
  isDue = false;
  const { head, metric } = state;
  const stage = head.stage(state.stage);
  const query = Math.floor(state.query / head.pool);
  const key = Math.min(Math.floor(state.key / head.pool), query);
  markTile(head.place, state.isHeadLocked);
  byId('name').textContent = `Head ${head.name}${head.kind ? `: ${head.kind}` : ''}`;
  byId('readout').textContent = readout(head, stage, query, key);
  byId('prediction').textContent = prediction(lastToken(head, query));
  byId('lock').textContent = lockText();
  planPlot(head, stage, query, key, state.count);
  drawHeatmap(state.isPairLocked);
  showScale(stage);
  byId('range').textContent = rangeText(head);
  drawLines(head, query, key);
  showSteps(head, stage, query, key);
  if (shown.links !== head) showLinks(shown.links = head);
  if (shown.metric !== metric) showMetric(shown.metric = metric);
  byId('metric').value = metric;
  writeHash();
}

const shown = { links: null, metric: null };

function lockText() {
  const locked = [state.isHeadLocked && 'head', state.isPairLocked && 'pair'].filter(Boolean);
  return locked.length ? `${locked.join(' and ')} locked: Esc unlocks`
    : 'follows the pointer: click or Enter locks';
}

function rangeText(head) {
  const cells = head.pool > 1 ? `blocks of ${head.pool} tokens` : 'tokens';
  return plot.count < head.size ? `${plot.count} of ${head.size} ${cells}` : `${head.size} ${cells}`;
}

function showScale(stage) {
  const isSigned = stage !== 'softmax' && stage !== 'value';
  byId('scale').className = isSigned ? 'diverging' : '';
  const ends = { softmax: ['0%', '25%', '100%'], value: ['0', number(largest / 4), number(largest)] };
  const marks = ends[stage] ?? [number(-largest), '0', number(largest)];
  marks.forEach((mark, place) => { byId('scale').children[place].textContent = mark; });
  byId('masked').hidden = stage === 'raw' || stage === 'scaled';
}

/** Show everything in the colours of the theme. */
function applyTheme() {
  document.documentElement.style.colorScheme = state.theme === 'auto' ? 'light dark' : state.theme;
  byId('theme').value = state.theme;
  readPalette();
  drawTiles();
  change({});
}

function writeHash() {
  const { head, query, key, stage, metric, count, theme } = state;
  const lock = `${state.isHeadLocked ? 'head' : ''}${state.isPairLocked ? 'pair' : ''}`;
  const kept = new URLSearchParams({ head: head.name, query, key, stage, metric, count, theme, lock });
  if (`#${kept}` !== location.hash) history.replaceState(null, '', `#${kept}`);
}

/** Show what the hash says, as far as this page has it. */
function readHash() {
  const kept = new URLSearchParams(location.hash.slice(1));
  const place = (name) => clamp(Number.parseInt(kept.get(name), 10) || 0, 0, tokens.length - 1);
  const found = { ...state };
  found.head = heads.find((head) => head.name === kept.get('head')) ?? state.head;
  Object.assign(found, kept.has('query') ? { query: place('query'), key: place('key') } : strongestPair(found.head));
  if (STAGES.includes(kept.get('stage'))) found.stage = kept.get('stage');
  if (data.metrics.some(({ name }) => name === kept.get('metric'))) found.metric = kept.get('metric');
  if (THEMES.includes(kept.get('theme'))) found.theme = kept.get('theme');
  found.count = place('count');
  const lock = kept.get('lock') ?? '';
  Object.assign(found, { isHeadLocked: lock.includes('head'), isPairLocked: lock.includes('pair') });
  const { head, ...rest } = found;
  state.head = head;
  change(rest);
}

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
    '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 0: () => change({ count: 0 }),
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
  canvas.addEventListener('pointermove', (event) => { if (!state.isPairLocked) choose(event); });
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
  byId('lines').addEventListener('pointerover', (event) => { if (!state.isPairLocked) choose(event); });
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
  byId('theme').addEventListener('change', (event) => { state.theme = event.target.value; applyTheme(); });
  byId('closer').addEventListener('click', () => zoom(0.5));
  byId('farther').addEventListener('click', () => zoom(2));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') change({ isHeadLocked: false, isPairLocked: false });
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
  window.addEventListener('hashchange', () => { readHash(); applyTheme(); });
}

buildGrid();
buildSteps((stage) => change({ stage }));
readHash();
applyTheme();
listen();
