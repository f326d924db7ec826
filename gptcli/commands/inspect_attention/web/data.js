'use strict';

// What gptcli wrote into the page: tokens, metrics, patterns of all heads, vectors of some.
// A head has `size` rows and columns, its cells: tokens, or blocks of `pool` tokens.

const data = JSON.parse(document.getElementById('data').textContent);
const { tokens, shape, patterns } = data;
const STAGES = ['raw', 'scaled', 'masked', 'softmax', 'value'];

function memoized(compute) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, compute(key));
    return known.get(key);
  };
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function floatsOf(base64) {
  return new Float32Array(bytesOf(base64).buffer);
}

/** Numbers of 16 bits, as IEEE 754 keeps them, as numbers of 32. */
function halvesOf(base64) {
  return Float32Array.from(new Uint16Array(bytesOf(base64).buffer), (code) => {
    const exponent = (code >> 10) & 31;
    const fraction = (code & 1023) / 1024;
    const size = exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14;
    return code >> 15 ? -size : size;
  });
}

const layerCodes = memoized((layer) => bytesOf(patterns.layers[layer]));
const layerVectors = memoized((layer) => halvesOf(patterns.layers[layer]));

class Head {
  constructor(place) {
    this.place = place;
    this.layer = Math.floor(place / shape.heads);
    this.index = place % shape.heads;
    this.name = `L${this.layer}.H${this.index}`;
    this.keyHead = Math.floor((this.index * shape.keyHeads) / shape.heads);
    this.own = data.vectors[this.name];
    this.hasProducts = Boolean(this.own) || patterns.form === 'vectors';
    this.pool = this.hasProducts ? 1 : patterns.pool;
    this.size = Math.ceil(tokens.length / this.pool);
    this.stages = this.own ? STAGES : this.hasProducts ? STAGES.slice(0, 4) : ['softmax'];
    this.links = data.links[place];
    this.kind = data.kinds[place];
  }

  /** The stage that is asked for, or softmax where this head has no vectors for it. */
  stage(asked) {
    return this.stages.includes(asked) ? asked : 'softmax';
  }

  /** query and key of every token (T x D); in a head of its own value, written and earlier. */
  get vectors() {
    this.known ??= this.own ? ownVectors(this.own) : sharedVectors(this);
    return this.known;
  }
}

function ownVectors(own) {
  const names = ['query', 'key', 'value', 'written', 'earlier'];
  return Object.fromEntries(names.map((name) => [name, floatsOf(own[name])]));
}

/** A layer holds the queries of its heads, then the keys, which several heads may share. */
function sharedVectors(head) {
  const all = layerVectors(head.layer);
  const length = tokens.length * shape.headSize;
  const part = (place) => all.subarray(place * length, (place + 1) * length);
  return { query: part(head.index), key: part(shape.heads + head.keyHead) };
}

const heads = Array.from({ length: shape.layers * shape.heads }, (_, place) => new Head(place));
const lastRows = { of: null, rows: [] };

/**
 * One row of a head at a stage: a value for every cell, or from the mask on for those up to its
 * own, so that what is beyond the end of the row is masked. The rows of the head that was looked
 * at last are kept.
 */
function rowOf(head, stage, at) {
  const name = `${head.name} ${stage}`;
  if (lastRows.of !== name) Object.assign(lastRows, { of: name, rows: [] });
  lastRows.rows[at] ??= computedRow(head, stage, at);
  return lastRows.rows[at];
}

function computedRow(head, stage, at) {
  switch (stage) {
    case 'raw':
      return products(head, at, head.size);
    case 'scaled':
      return scaled(products(head, at, head.size));
    case 'masked':
      return scaled(products(head, at, at + 1));
    case 'softmax':
      return weights(head, at);
    default:
      return weights(head, at).map((weight, key) => weight * head.vectors.written[key]);
  }
}

function weights(head, at) {
  if (!head.hasProducts) return storedWeights(head, at);
  return softmax(scaled(products(head, at, at + 1)), head.vectors.earlier?.[at]);
}

/** Weights are stored as 255 times their square root, row by row up to the diagonal. */
function storedWeights(head, at) {
  const start = (head.index * head.size * (head.size + 1)) / 2 + (at * (at + 1)) / 2;
  const codes = layerCodes(head.layer).subarray(start, start + at + 1);
  return Float32Array.from(codes, (code) => (code / 255) ** 2);
}

/** The products of a token's query with the first keys. */
function products(head, at, count) {
  const { query, key } = head.vectors;
  const D = shape.headSize;
  const found = new Float32Array(count);
  for (let j = 0; j < count; j++) {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += query[at * D + d] * key[j * D + d];
    found[j] = sum;
  }
  return found;
}

function scaled(row) {
  return row.map((product) => product / Math.sqrt(shape.headSize));
}

/** `earlier` is the logarithm of what keys before the first token add to the sum. */
function softmax(scores, earlier = -Infinity) {
  const highest = scores.reduce((a, b) => Math.max(a, b), earlier);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b, Math.exp(earlier - highest));
  return powers.map((power) => power / sum);
}

/** What one of the head's cells stands for: "7 ·creature", or "8 ·the·little·…" for a block. */
function cellLabel(head, cell) {
  return `${data.first + cell * head.pool} ${cellText(head, cell)}`;
}

function cellText(head, cell) {
  const block = tokens.slice(cell * head.pool, lastToken(head, cell) + 1);
  return block.map(({ label }) => label).join('');
}

function lastToken(head, cell) {
  return Math.min((cell + 1) * head.pool, tokens.length) - 1;
}
