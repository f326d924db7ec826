// Token-to-token lines of a head: queries on the left, keys on the right, as thick as the weight.

const LINE_HEIGHT = 20;
const MOST_LINES = 32; // tokens in a column
const LEAST_WEIGHT = 0.05; // of lines that are not those of the chosen query
const WIDTH = 440;
const COLUMN = 150; // pixels of a column of tokens

/** Draw the tokens around the chosen pair, and the lines between them. */
function drawLines(head, query, key) {
  const count = Math.min(MOST_LINES, head.size);
  const row = clamp(query - Math.floor(count / 2), 0, head.size - count);
  const column = clamp(clamp(row, key - count + 1, key), 0, head.size - count);
  const picture = byId('lines');
  picture.setAttribute('viewBox', `0 0 ${WIDTH} ${count * LINE_HEIGHT + 24}`);
  const parts = [
    heading(COLUMN - 8, 'end', 'queries'),
    heading(WIDTH - COLUMN + 8, 'start', 'keys'),
  ];
  for (let at = 0; at < count; at++) {
    if (row + at !== query) parts.push(...faintLines(head, row + at, row, column, count));
  }
  const chosen = rowOf(head, 'softmax', query);
  parts.push(...linesOf(chosen, query - row, column, count, 0.001, 'chosen'));
  for (let at = 0; at < count; at++) {
    parts.push(tokenText(head, row + at, at, COLUMN - 8, 'end', row + at === query));
    parts.push(tokenText(head, column + at, at, WIDTH - COLUMN + 8, 'start', column + at === key));
  }
  picture.replaceChildren(...parts);
  const shown = chosen.slice(column, column + count).reduce((a, b) => a + b, 0);
  byId('about-lines').textContent =
    shown < 0.995
      ? `${percent(1 - shown)} of this row's attention goes to tokens that are not drawn here.`
      : '';
}

function heading(x, anchor, text) {
  return draw('text', { x, y: 14, 'text-anchor': anchor, class: 'heading' }, text);
}

function faintLines(head, query, row, column, count) {
  return linesOf(rowOf(head, 'softmax', query), query - row, column, count, LEAST_WEIGHT, 'faint');
}

function linesOf(weights, at, column, count, least, kind) {
  const lines = [];
  weights.slice(column, column + count).forEach((weight, place) => {
    if (weight >= least) {
      lines.push(
        draw('line', {
          x1: COLUMN,
          y1: middleOf(at),
          x2: WIDTH - COLUMN,
          y2: middleOf(place),
          class: kind,
          'stroke-width': (0.5 + 4 * weight).toFixed(2),
          'stroke-opacity': (kind === 'chosen' ? 0.25 + 0.75 * weight : 0.4 * weight).toFixed(3),
        }),
      );
    }
  });
  return lines;
}

function tokenText(head, cell, at, x, anchor, isChosen) {
  const text = clipped(cellLabel(head, cell), 18);
  const place = { x, y: middleOf(at) + 4, 'text-anchor': anchor, class: isChosen ? 'chosen' : '' };
  return draw(
    'text',
    { ...place, 'data-cell': cell, 'data-side': anchor === 'end' ? 'query' : 'key' },
    text,
  );
}

function middleOf(at) {
  return 24 + (at + 0.5) * LINE_HEIGHT;
}
