// Tables: the strongest links of the head, and what every token predicts.

/** Rows of cells whose first one is a button that chooses a pair. */
function fillTable(id, rows) {
  byId(id).tBodies[0].replaceChildren(
    ...rows.map(({ cells, query, key }) => {
      const [first, ...rest] = cells;
      const button = make(
        'button',
        { type: 'button', 'data-query': query, 'data-key': key },
        first,
      );
      return make('tr', {}, [
        make('th', { scope: 'row' }, [button]),
        ...rest.map((text) => make('td', {}, text)),
      ]);
    }),
  );
}

function showLinks(head) {
  byId('links').caption.textContent = `Strongest links of ${head.name}`;
  fillTable(
    'links',
    head.links.map(([query, key, weight]) => ({
      cells: [tokenName(query), key === query ? 'itself' : tokenName(key), percent(weight)],
      query,
      key,
    })),
  );
}

/** One row a token; filled when it is opened, for a long text has many. */
function fillPredictions() {
  fillTable(
    'predictions',
    tokens.map(({ next, actual, score }, place) => ({
      cells: [
        tokenName(place),
        next?.[0] ?? `score ${score.toFixed(2)}`,
        next ? percent(next[1]) : '',
        actual?.[0] ?? '',
        actual ? percent(actual[1]) : '',
      ],
      query: place,
      key: place,
    })),
  );
}

function tokenName(place) {
  return `${data.first + place} ${tokens[place].label}`;
}

/** "token 7 ‘·creature’", or "tokens 8 to 11 ‘·the·little·fox·jumps’" for a block. */
function spoken(head, cell) {
  const first = data.first + cell * head.pool;
  const last = data.first + lastToken(head, cell);
  const quoted = `‘${clipped(cellText(head, cell), 40)}’`;
  return last > first ? `tokens ${first} to ${last} ${quoted}` : `token ${first} ${quoted}`;
}

/** The chosen pair and what its query predicts, in words. */
function readout(head, stage, query, key) {
  const weight = rowOf(head, 'softmax', query)[key];
  const target = key === query ? 'itself' : spoken(head, key);
  const verb = lastToken(head, query) > query * head.pool ? 'look at' : 'looks at';
  const other =
    stage === 'softmax' ? '' : ` (${STEPS[stage][0]}: ${number(valueOf(head, stage, query, key))})`;
  return `In ${head.name} ${spoken(head, query)} ${verb} ${target} with ${percent(weight)} of its attention${other}.`;
}

function prediction(place) {
  const { label, next, actual, score } = tokens[place];
  if (!next) return `After ‘${label}’ → score ${score.toFixed(2)}`;
  const was = actual ? `, actual ‘${actual[0]}’ p=${actual[1].toFixed(2)}` : '';
  return `After ‘${label}’ → next ‘${next[0]}’ p=${next[1].toFixed(2)}${was}`;
}
