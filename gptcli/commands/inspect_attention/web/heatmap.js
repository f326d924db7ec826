// One head's cells on a canvas: queries down, keys across, hatched where the mask is.

const MARGIN = { left: 104, top: 84, right: 210 }; // pixels for labels and predictions
const LEAST_LABELLED = 10; // pixels of a cell that has room for its label
const MOST_PIXELS = 640; // of all cells
const MOST_CELLS = 1024; // in a row of the canvas
const LEAST_CELLS = 8;
const FONT = '11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';

const backdrop = document.createElement('canvas'); // all but what is chosen
let backdropOf = '';
let largest = 1; // the value in it with the largest size
let plot = null; // where the cells are: head, stage, size, count, row, column, side, cell

/** The part of the head that is shown: `count` rows and columns around the chosen cell. */
function planPlot(head, stage, query, key, asked) {
  const width = byId('heatmap').parentElement.clientWidth;
  const count = clamp(
    asked || head.size,
    Math.min(LEAST_CELLS, head.size),
    Math.min(MOST_CELLS, head.size),
  );
  const room = width - MARGIN.left - 2;
  const isLabelled = width >= 640 && (room - MARGIN.right) / count >= LEAST_LABELLED;
  const right = isLabelled ? MARGIN.right : 0;
  const side = Math.min(room - right, MOST_PIXELS);
  const known = plot && plot.head === head && plot.count === count ? plot : null;
  const around = (cell, before) => {
    const from = before ?? cell - Math.floor(count / 2);
    return clamp(clamp(from, cell - count + 1, cell), 0, head.size - count);
  };
  plot = {
    head,
    stage,
    query,
    key,
    width,
    side,
    count,
    right,
    row: around(query, known?.row),
    column: around(key, known?.column),
    cell: side / count,
  };
}

function drawHeatmap(isLocked) {
  const canvas = byId('heatmap');
  const ratio = window.devicePixelRatio || 1;
  const { width, side } = plot;
  const height = side + MARGIN.top + 2;
  const { head, stage, row, column, count } = plot;
  const name = [
    head.name,
    stage,
    row,
    column,
    count,
    width,
    ratio,
    palette.page,
    palette.ink,
  ].join();
  if (name !== backdropOf) {
    backdropOf = name;
    for (const one of [backdrop, canvas]) {
      one.width = Math.round(width * ratio);
      one.height = Math.round(height * ratio);
    }
    canvas.style.height = `${height}px`;
    drawBackdrop(backdrop.getContext('2d'), ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(backdrop, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawChosen(context, isLocked);
}

function drawBackdrop(context, ratio) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, plot.width, plot.side + MARGIN.top + 2);
  context.imageSmoothingEnabled = false;
  const rows = Array.from({ length: plot.count }, (_, at) =>
    rowOf(plot.head, plot.stage, plot.row + at),
  );
  context.drawImage(cellsOf(rows), MARGIN.left, MARGIN.top, plot.side, plot.side);
  hatch(context, rows);
  context.strokeStyle = palette.line;
  context.strokeRect(MARGIN.left - 0.5, MARGIN.top - 0.5, plot.side + 1, plot.side + 1);
  if (plot.cell >= LEAST_LABELLED) {
    for (let at = 0; at < plot.count; at++) drawLabels(context, at, at, palette.quiet);
    if (plot.right)
      for (let at = 0; at < plot.count; at++) drawPrediction(context, at, palette.quiet);
  }
}

/** The rows' values as an image of a pixel for each cell; nothing where they are masked. */
function cellsOf(rows) {
  const { count, column } = plot;
  const cells = document.createElement('canvas');
  cells.width = cells.height = count;
  const context = cells.getContext('2d');
  const image = context.createImageData(count, count);
  const pixels = new Uint32Array(image.data.buffer);
  largest = largestOf(rows);
  const shade = shadeOf(plot.stage);
  rows.forEach((row, at) => {
    for (let key = column; key < Math.min(row.length, column + count); key++) {
      pixels[at * count + key - column] = shade(row[key]);
    }
  });
  context.putImageData(image, 0, 0);
  return cells;
}

function largestOf(rows) {
  if (plot.stage === 'softmax') return 1;
  let found = 1e-12;
  for (const row of rows) {
    for (let key = plot.column; key < Math.min(row.length, plot.column + plot.count); key++) {
      found = Math.max(found, Math.abs(row[key]));
    }
  }
  return found;
}

/** Weights by their square root, so that small ones are seen; scores from minus over 0 to plus. */
function shadeOf(stage) {
  const { sequential, diverging } = palette;
  if (stage === 'softmax' || stage === 'value') {
    return (value) => sequential[Math.round(255 * Math.sqrt(value / largest))];
  }
  return (value) => diverging[Math.round(127.5 + (127.5 * value) / largest)];
}

/** Hatch what is masked: in each row all cells from the end of its values on. */
function hatch(context, rows) {
  const { column, count, cell } = plot;
  const path = new Path2D();
  rows.forEach((row, at) => {
    const from = clamp(row.length - column, 0, count);
    if (from < count)
      path.rect(MARGIN.left + from * cell, MARGIN.top + at * cell, (count - from) * cell, cell);
  });
  context.save();
  context.clip(path);
  context.strokeStyle = palette.line;
  context.beginPath();
  for (let x = -plot.side; x < plot.side; x += 7) {
    context.moveTo(MARGIN.left + x, MARGIN.top + plot.side);
    context.lineTo(MARGIN.left + x + plot.side, MARGIN.top);
  }
  context.stroke();
  context.restore();
}

function drawLabels(context, row, column, colour) {
  const middle = (at) => MARGIN.top + (at + 0.5) * plot.cell;
  context.font = FONT;
  context.fillStyle = colour;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  context.fillText(clipped(cellLabel(plot.head, plot.row + row), 14), MARGIN.left - 6, middle(row));
  context.save();
  context.translate(MARGIN.left + (column + 0.5) * plot.cell, MARGIN.top - 6);
  context.rotate(-Math.PI / 2);
  context.textAlign = 'left';
  context.fillText(clipped(cellLabel(plot.head, plot.column + column), 11), 0, 0);
  context.restore();
}

/** What a row predicts, beside it; of a block of tokens, what its last one does. */
function drawPrediction(context, row, colour) {
  const { next, actual, score } = tokens[lastToken(plot.head, plot.row + row)];
  const percentOf = ([text, p]) => `${clipped(text, 10)} ${Math.round(100 * p)}%`;
  const guess = next ? `→ ${percentOf(next)}` : `score ${score.toFixed(2)}`;
  const was = actual ? `, was ${percentOf(actual)}` : '';
  context.font = FONT;
  context.fillStyle = colour;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const isRight = actual && actual[0] === next[0];
  context.fillText(
    isRight ? `${guess} ✓` : guess + was,
    MARGIN.left + plot.side + 8,
    MARGIN.top + (row + 0.5) * plot.cell,
  );
}

/** The chosen cell, its row and its column; dashed as long as it follows the pointer. */
function drawChosen(context, isLocked) {
  const row = plot.query - plot.row;
  const column = plot.key - plot.column;
  const { cell, side } = plot;
  const x = MARGIN.left + column * cell;
  const y = MARGIN.top + row * cell;
  context.strokeStyle = palette.accent;
  context.lineWidth = 1;
  context.setLineDash(isLocked ? [] : [4, 3]);
  context.strokeRect(MARGIN.left, y, side, cell);
  context.strokeRect(x, MARGIN.top, cell, side);
  context.setLineDash([]);
  context.lineWidth = 2;
  context.strokeRect(x - 1, y - 1, cell + 2, cell + 2);
  context.clearRect(0, Math.max(y + cell / 2 - 7, MARGIN.top - 7), MARGIN.left - 2, 14);
  context.clearRect(x + cell / 2 - 7, 0, 14, MARGIN.top - 2);
  drawLabels(context, row, column, palette.accent);
  if (plot.right) {
    context.clearRect(MARGIN.left + side + 3, y + cell / 2 - 7, plot.right, 14);
    drawPrediction(context, row, palette.accent);
  }
}

/** The cell under the pointer, as [query, key]; null outside and where it is masked. */
function cellAt(event) {
  const column = Math.floor((event.offsetX - MARGIN.left) / plot.cell);
  const row = Math.floor((event.offsetY - MARGIN.top) / plot.cell);
  if (row < 0 || column < 0 || row >= plot.count || column >= plot.count) return null;
  const [query, key] = [plot.row + row, plot.column + column];
  return key <= query ? [query, key] : null;
}
