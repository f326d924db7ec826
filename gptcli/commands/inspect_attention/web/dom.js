// Elements, numbers as text, and colours. Text enters the page as textContent, never as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function byId(id) {
  return document.getElementById(id);
}

/** A new HTML element; `content` is its text, or a list of elements. */
function make(tag, attributes = {}, content = '') {
  return filled(document.createElement(tag), attributes, content);
}

/** A new SVG element. */
function draw(tag, attributes = {}, content = '') {
  return filled(document.createElementNS(SVG, tag), attributes, content);
}

function filled(element, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (Array.isArray(content)) element.append(...content);
  else element.textContent = content;
  return element;
}

function clamp(value, lowest, highest) {
  return Math.max(lowest, Math.min(value, highest));
}

/** `0.043` as "4.3%"; what is more than nothing is never shown as nothing. */
function percent(share) {
  if (share > 0 && share < 0.001) return '<0.1%';
  return `${(100 * share).toFixed(1)}%`;
}

/** A number with three digits and a true minus sign. */
function number(value) {
  if (value === -Infinity) return '−∞';
  const size = Math.abs(value);
  const digits =
    size >= 1000 || (size > 0 && size < 0.001)
      ? size.toExponential(1)
      : size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
  return value < 0 && Number(digits) ? `−${digits}` : digits;
}

/** The text, or its beginning and an ellipsis where it has more than `most` characters. */
function clipped(text, most) {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text;
}

const palette = {};

/** Read the colours of the style sheet, as they are in the light or dark theme of now. */
function readPalette() {
  palette.sequential = shades(
    ['0', '1', '2', '3', '4', '5', '6', '7'].map((n) => rgb(`scale-${n}`)),
  );
  palette.diverging = shades([rgb('minus'), rgb('scale-0'), rgb('plus')]);
  for (const name of ['ink', 'quiet', 'line', 'page', 'accent'])
    palette[name] = `rgb(${rgb(name)})`;
}

function rgb(name) {
  const probe = byId('probe');
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe)
    .color.match(/[0-9.]+/g)
    .slice(0, 3)
    .map(Number);
}

/** 256 colours through these stops, each as one number, as canvases keep them. */
function shades(stops) {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const place = (index / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    const [red, green, blue] = stops[low].map((from, channel) =>
      Math.round(from + (stops[low + 1][channel] - from) * (place - low)),
    );
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
