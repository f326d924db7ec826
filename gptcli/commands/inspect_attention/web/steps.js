// How the chosen weight comes about, in five steps with their numbers, and bars for the vectors.

const MOST_LABELS = 48; // tokens below a chart

const STEPS = {
  raw: ['q · k', 'The query and the key are multiplied, number by number, and added up.'],
  scaled: ['÷ √D', 'The product is divided by the square root of the head size.'],
  masked: ['mask', 'A token sees itself and its past: the future gets −∞.'],
  softmax: ['softmax', 'Scores become weights: e to the score, over the sum of the row.'],
  value: ['× v', 'The weight multiplies the value of the key; the row adds up all of them.'],
};

function buildSteps(choose) {
  const steps = Object.entries(STEPS).map(([stage, [name]]) => {
    const input = make('input', { type: 'radio', name: 'stage', value: stage });
    input.addEventListener('change', () => choose(stage));
    return make('label', {}, [input, make('b', {}, name), make('output', { for: 'heatmap' })]);
  });
  byId('steps').append(...steps);
}

/** Write the numbers of the pair under the steps, and draw the bars of the chosen one. */
function showSteps(head, stage, query, key) {
  for (const input of document.getElementsByName('stage')) {
    const isKnown = head.stages.includes(input.value);
    input.disabled = !isKnown;
    input.checked = input.value === stage;
    input.parentElement.lastChild.textContent = isKnown
      ? resultOf(head, input.value, query, key)
      : '–';
  }
  byId('about-step').textContent = `${STEPS[stage][1]} ${calculation(head, stage, query, key)}`;
  byId('bars').replaceChildren(...barsOf(head, stage, query, key));
  byId('no-vectors').textContent = head.own ? '' : withoutVectors(head);
}

function resultOf(head, stage, query, key) {
  const value = valueOf(head, stage, query, key);
  if (stage === 'softmax') return percent(value);
  return stage === 'value' ? `length ${number(value)}` : number(value);
}

/** A row's value at a key; minus infinity, or weight 0, where it is masked. */
function valueOf(head, stage, query, key) {
  const row = computedRow(head, stage, query);
  return key < row.length ? row[key] : stage === 'masked' ? -Infinity : 0;
}

function calculation(head, stage, query, key) {
  if (!head.hasProducts) return '';
  const [raw, score, weight] = ['raw', 'scaled', 'softmax'].map((one) =>
    valueOf(head, one, query, key),
  );
  switch (stage) {
    case 'raw':
      return `Their sum is ${number(raw)}.`;
    case 'scaled':
      return `${number(raw)} / √${shape.headSize} = ${number(score)}.`;
    case 'masked':
      return `This row keeps ${query + 1} of the ${tokens.length} scores shown.`;
    case 'softmax':
      return `e^${number(score)} over the sum of ${data.earlier + query + 1} such powers is ${percent(weight)}.`;
    default:
      return (
        `Through the output matrix, ${percent(weight)} of this value writes a vector of length ` +
        `${number(valueOf(head, 'value', query, key))} to the stream.`
      );
  }
}

function barsOf(head, stage, query, key) {
  if (!head.hasProducts)
    return [rowBars('weights of the row', head, rowOf(head, 'softmax', query), key)];
  const vector = (name, token) =>
    head.vectors[name].subarray(token * shape.headSize, (token + 1) * shape.headSize);
  if (stage === 'raw') {
    const [q, k] = [vector('query', query), vector('key', key)];
    return [
      bars(`q of ${tokenName(query)}`, q),
      bars(`k of ${tokenName(key)}`, k),
      bars(
        'q × k',
        q.map((one, d) => one * k[d]),
      ),
    ];
  }
  if (stage === 'value') {
    const weight = valueOf(head, 'softmax', query, key);
    const v = vector('value', key);
    const mixed = mixedValues(head, query, vector);
    return [
      bars(`v of ${tokenName(key)}`, v),
      bars(
        `${percent(weight)} of v`,
        v.map((one) => one * weight),
        -1,
        v,
      ),
      bars(`sum over all keys${data.earlier ? ' shown' : ''}`, mixed, -1, v),
    ];
  }
  const name = {
    scaled: 'scores of the row',
    masked: 'scores, the future hatched',
    softmax: 'weights of the row',
  };
  return [rowBars(name[stage], head, computedRow(head, stage, query), key)];
}

/** What the row gathers: the values of all its keys, each times its weight. */
function mixedValues(head, query, vector) {
  const mixed = new Float32Array(shape.headSize);
  computedRow(head, 'softmax', query).forEach((weight, key) => {
    vector('value', key).forEach((one, d) => {
      mixed[d] += weight * one;
    });
  });
  return mixed;
}

/**
 * A chart of `values` with one of them marked; on the scale of `like`, and with room for `count`
 * of which those that have no value are hatched.
 */
function bars(title, values, marked = -1, like = values, count = values.length) {
  const size = [...values, ...like].reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  const isSigned = values.some((value) => value < 0);
  const zero = isSigned ? 50 : 99;
  const paths = { plus: '', minus: '', marked: '' };
  values.forEach((value, place) => {
    const kind = place === marked ? 'marked' : value < 0 ? 'minus' : 'plus';
    paths[kind] += `M${place + 0.1} ${zero}h.8v${((1 - zero) * value) / size}h-.8z`;
  });
  const parts = Object.entries(paths).map(([kind, d]) => draw('path', { d, class: kind }));
  parts.push(draw('path', { d: `M0 ${zero}H${count}`, class: 'zero' }));
  const chart = draw(
    'svg',
    {
      viewBox: `0 0 ${count} 100`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `${title}: ${values.length} values, the largest size is ${number(size)}`,
    },
    parts,
  );
  chart.style.setProperty('--seen', `${(100 * values.length) / count}%`);
  return make('figure', {}, [
    make('figcaption', {}, `${title}, up to ${isSigned ? '±' : ''}${number(size)}`),
    chart,
  ]);
}

/** A chart of a row on as many keys as the head has, with their tokens below if there is room. */
function rowBars(title, head, row, marked) {
  const chart = bars(title, row, marked, row, head.size);
  if (head.size <= MOST_LABELS) {
    const labels = Array.from({ length: head.size }, (_, cell) =>
      make('span', {}, clipped(cellText(head, cell), 8)),
    );
    labels[marked].className = 'chosen';
    chart.append(make('div', { class: 'labels', 'aria-hidden': 'true' }, labels));
  }
  return chart;
}

function withoutVectors(head) {
  const what = head.hasProducts ? 'The values' : 'Query, key and value';
  return `${what} of this head are not in the page: --heads ${head.name} puts them in.`;
}
