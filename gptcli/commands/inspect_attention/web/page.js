// What is shown, how it is drawn again, and the hash of the URL that restores it.

const THEMES = ['auto', 'light', 'dark'];

// Tokens `query` and `key` are counted in the text; `count` cells are shown, 0 means all.
const state = {
  head: heads[data.opened],
  query: 0,
  key: 0,
  stage: 'softmax',
  metric: data.metric,
  count: 0,
  theme: 'auto',
  isHeadLocked: false,
  isPairLocked: false,
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
  if (shown.links !== head) showLinks((shown.links = head));
  if (shown.metric !== metric) showMetric((shown.metric = metric));
  byId('metric').value = metric;
  writeHash();
}

const shown = { links: null, metric: null };

function lockText() {
  const locked = [state.isHeadLocked && 'head', state.isPairLocked && 'pair'].filter(Boolean);
  return locked.length
    ? `${locked.join(' and ')} locked: Esc unlocks`
    : 'follows the pointer: click or Enter locks';
}

function rangeText(head) {
  const cells = head.pool > 1 ? `blocks of ${head.pool} tokens` : 'tokens';
  return plot.count < head.size
    ? `${plot.count} of ${head.size} ${cells}`
    : `${head.size} ${cells}`;
}

function showScale(stage) {
  const isSigned = stage !== 'softmax' && stage !== 'value';
  byId('scale').className = isSigned ? 'diverging' : '';
  const ends = {
    softmax: ['0%', '25%', '100%'],
    value: ['0', number(largest / 4), number(largest)],
  };
  const marks = ends[stage] ?? [number(-largest), '0', number(largest)];
  marks.forEach((mark, place) => {
    byId('scale').children[place].textContent = mark;
  });
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
  const kept = new URLSearchParams({
    head: head.name,
    query,
    key,
    stage,
    metric,
    count,
    theme,
    lock,
  });
  if (`#${kept}` !== location.hash) history.replaceState(null, '', `#${kept}`);
}

/** Show what the hash says, as far as this page has it. */
function readHash() {
  const kept = new URLSearchParams(location.hash.slice(1));
  const place = (name) => clamp(Number.parseInt(kept.get(name), 10) || 0, 0, tokens.length - 1);
  const found = { ...state };
  found.head = heads.find((head) => head.name === kept.get('head')) ?? state.head;
  Object.assign(
    found,
    kept.has('query') ? { query: place('query'), key: place('key') } : strongestPair(found.head),
  );
  if (STAGES.includes(kept.get('stage'))) found.stage = kept.get('stage');
  if (data.metrics.some(({ name }) => name === kept.get('metric')))
    found.metric = kept.get('metric');
  if (THEMES.includes(kept.get('theme'))) found.theme = kept.get('theme');
  found.count = place('count');
  const lock = kept.get('lock') ?? '';
  Object.assign(found, {
    isHeadLocked: lock.includes('head'),
    isPairLocked: lock.includes('pair'),
  });
  const { head, ...rest } = found;
  state.head = head;
  change(rest);
}

buildGrid();
buildSteps((stage) => change({ stage }));
readHash();
applyTheme();
listen();
