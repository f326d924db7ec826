// The overview: a tile for every head, layers down and heads across, under the keys they share.

const TILE = 48; // pixels of a tile's picture, at most

const tiles = [];

function buildGrid() {
  const grid = byId('grid');
  grid.style.setProperty('--heads', shape.heads);
  if (shape.keyHeads < shape.heads) grid.append(keyRow());
  const names = Array.from({ length: shape.heads }, (_, index) =>
    make('span', { role: 'columnheader', class: startsGroup(index) ? 'group' : '' }, `H${index}`),
  );
  grid.append(make('div', { role: 'row' }, [make('span', { role: 'columnheader' }), ...names]));
  for (let layer = 0; layer < shape.layers; layer++) {
    const first = layer * shape.heads;
    const row = heads.slice(first, first + shape.heads).map(makeTile);
    grid.append(
      make('div', { role: 'row' }, [make('span', { role: 'rowheader' }, `L${layer}`), ...row]),
    );
  }
}

/** The heads of keys and values, each above the heads of queries that share it. */
function keyRow() {
  const shared = shape.heads / shape.keyHeads;
  const names = Array.from({ length: shape.keyHeads }, (_, index) => {
    const name = make('span', { role: 'columnheader', class: 'keys' }, `keys ${index}`);
    name.style.gridColumn = `span ${shared}`;
    return name;
  });
  return make('div', { role: 'row' }, [make('span', { role: 'columnheader' }), ...names]);
}

function startsGroup(index) {
  const shared = shape.heads / shape.keyHeads;
  return shared > 1 && index > 0 && index % shared === 0;
}

function makeTile(head) {
  const side = Math.min(TILE, Math.ceil(tokens.length / patterns.pool));
  const canvas = make('canvas', { width: side, height: side, 'aria-hidden': 'true' });
  const bar = make('i', { 'aria-hidden': 'true' });
  const tile = make(
    'button',
    {
      type: 'button',
      role: 'gridcell',
      tabindex: '-1',
      'data-place': head.place,
      class: startsGroup(head.index) ? 'group' : '',
    },
    [canvas, make('b'), bar],
  );
  tiles[head.place] = tile;
  return tile;
}

/** Draw the pictures of all tiles, a layer at a time, so that the page answers meanwhile. */
function drawTiles(layer = 0) {
  if (layer === shape.layers) return;
  const first = layer * shape.heads;
  for (const head of heads.slice(first, first + shape.heads)) drawTile(head);
  setTimeout(drawTiles, 0, layer + 1);
}

/** The largest weight in each square of cells; of vectors, only a row in each is computed. */
function drawTile(head) {
  const canvas = tiles[head.place].firstChild;
  const side = canvas.width;
  const context = canvas.getContext('2d');
  const picture = context.createImageData(side, side);
  const pixels = new Uint32Array(picture.data.buffer);
  const most = new Float32Array(side * side);
  const step = head.hasProducts ? Math.max(1, Math.floor(head.size / side)) : 1;
  for (let at = 0; at < head.size; at += step) {
    const top = Math.floor((at * side) / head.size) * side;
    weights(head, at).forEach((weight, key) => {
      const place = top + Math.floor((key * side) / head.size);
      if (weight > most[place]) most[place] = weight;
    });
  }
  for (let place = 0; place < pixels.length; place++) {
    if (place % side <= Math.floor(place / side)) {
      pixels[place] = palette.sequential[Math.round(255 * Math.sqrt(most[place]))];
    }
  }
  context.putImageData(picture, 0, 0);
}

/** Write the chosen metric into the tiles, and the whole of it into their names. */
function showMetric(name) {
  const metric = data.metrics.find((one) => one.name === name);
  const largest = Math.max(...metric.values, 1e-12);
  byId('about-metric').textContent =
    `${metric.about}${metric.unit ? `, in ${metric.unit}` : ''}; ` +
    `a full bar is ${number(largest)}`;
  for (const head of heads) {
    const value = metric.values[head.place];
    const [, shown, bar] = tiles[head.place].children;
    shown.textContent = value === null ? '–' : value.toFixed(value >= 10 ? 1 : 2);
    bar.style.width = `${(100 * Math.max(value ?? 0, 0)) / largest}%`;
    const unit = metric.unit ? ` ${metric.unit}` : '';
    const said = value === null ? 'unknown' : `${number(value)}${unit}`;
    tiles[head.place].setAttribute('aria-label', `Head ${head.name}, ${metric.title} ${said}`);
  }
}

function markTile(place, isLocked) {
  for (const tile of tiles) {
    const isChosen = Number(tile.dataset.place) === place;
    tile.tabIndex = isChosen ? 0 : -1;
    tile.setAttribute('aria-selected', isChosen);
    tile.classList.toggle('locked', isChosen && isLocked);
  }
}

/** The head that an arrow key leads to from this one. */
function besideHead(head, key) {
  const [down, right] = ARROWS[key];
  return heads[
    clamp(head.layer + down, 0, shape.layers - 1) * shape.heads +
      clamp(head.index + right, 0, shape.heads - 1)
  ];
}
