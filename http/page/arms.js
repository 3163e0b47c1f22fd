// The page of a bandit's arms: what is known of each rate, how often each is picked, and what the
// refreshes did.
import { address, askJson, byId, duration, make, number, perSecond, Rate, Rows, setText, timeOfDay, watch } from './common.js';

const kPollMs = 500;
const kMostArms = 100;
const kCurves = 8;
const kPickSeconds = 10;
const kKnown = 20;  // impressions
const kSvg = 'http://www.w3.org/2000/svg';

const rows = new Rows(byId('arms'), [1, 2, 3, 5, 6, 7]);
const rounds = new Rows(byId('history'), [0]);
const pickRate = new Rate();
const pictures = new Map();  // the bars of an item's row
const colours = new Map();   // item to number, as long as it is among the first
let samples = [];            // of the last seconds: when, and how often each item was picked

const percent = (share, digits = 1) => (Number.isFinite(share) ? (100 * share).toFixed(digits) + ' %' : '–');
const spread = ({ alpha, beta }) => Math.sqrt(alpha * beta / (alpha + beta + 1)) / (alpha + beta);

function shape(name, attributes, className) {
  const element = document.createElementNS(kSvg, name);
  if (className) element.setAttribute('class', className);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// --- the axis that curves and bars share

function tickStep(span) {
  const rough = span / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
}

/// Around all arms, but for those that are hardly known while others are: they reach far.
function axisAround(arms) {
  const most = Math.max(...arms.map((arm) => arm.impressions));
  const known = arms.filter((arm) => arm.impressions >= Math.min(kKnown, most / 5));
  const low = Math.max(0, Math.min(...known.map((arm) => arm.low - spread(arm))));
  const high = Math.min(1, Math.max(...known.map((arm) => arm.high + spread(arm))));
  const step = tickStep(Math.max(high - low, 1e-6));
  const from = Math.floor(low / step) * step;
  const to = Math.min(1, Math.ceil(high / step) * step);
  const ticks = [];
  for (let i = 0; from + i * step <= to + step / 1e6; ++i) ticks.push(from + i * step);
  return { from, to, ticks, at: (rate) => Math.min(1, Math.max(0, (rate - from) / (to - from))) };
}

const tickText = (axis, tick) => {
  const step = 100 * (axis.ticks[1] - axis.ticks[0]);
  return (100 * tick).toFixed(step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step)))) + ' %';
};

// --- curves

/// Points of Beta(alpha, beta)'s density that are on the axis: [rate, density].
function density({ alpha, beta, low, high }, axis) {
  const reach = 3 * spread({ alpha, beta });
  const from = Math.max(low - reach, 1e-9);
  const to = Math.min(high + reach, 1 - 1e-9);
  const mode = Math.min(to, Math.max(from, (alpha - 1) / Math.max(alpha + beta - 2, 1e-9)));
  // By its ratio to the mode: the terms alone have more digits before the point than doubles keep.
  const ratio = (x) => Math.exp((alpha - 1) * Math.log1p((x - mode) / mode) +
                                (beta - 1) * Math.log1p((mode - x) / (1 - mode)));
  const steps = 120;
  const points = (begin, end) => Array.from({ length: steps + 1 }, (_, i) => begin + (end - begin) * i / steps)
    .map((x) => [x, ratio(x)]);
  const area = points(from, to).reduce((sum, [, y]) => sum + y, 0) * (to - from) / steps;
  const shownFrom = Math.max(from, axis.from);
  const shownTo = Math.min(to, axis.to);
  return shownFrom < shownTo ? points(shownFrom, shownTo).map(([x, y]) => [x, y / area]) : [];
}

function colourOf(item, shown) {
  for (const name of colours.keys()) {
    if (!shown.has(name)) colours.delete(name);
  }
  if (!colours.has(item)) {
    const taken = new Set(colours.values());
    colours.set(item, [...Array(kCurves).keys()].find((colour) => !taken.has(colour)) ?? 0);
  }
  return colours.get(item);
}

function drawCurves(arms, axis) {
  const best = arms.slice(0, kCurves);
  const shown = new Set(best.map((arm) => arm.item));
  for (const arm of best) colourOf(arm.item, shown);  // the best arm has the first colour
  const picture = byId('curves');
  const width = Math.max(300, picture.clientWidth || 900);
  const height = 250;
  const bottom = height - 24;
  picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const x = (rate) => 8 + axis.at(rate) * (width - 16);
  const curves = best.map((arm) => ({ arm, points: density(arm, axis) }));
  const peak = Math.max(1e-9, ...curves.flatMap(({ points }) => points.map(([, y]) => y)));
  // Square roots, so that a curve of little knowledge is seen beside one of much.
  const y = (value) => bottom - Math.sqrt(value / peak) * (bottom - 10);
  const parts = axis.ticks.flatMap((tick, index) => {
    const label = shape('text', { x: x(tick), y: height - 6, 'text-anchor': index === 0 ? 'start' : index === axis.ticks.length - 1 ? 'end' : 'middle' });
    label.textContent = tickText(axis, tick);
    return [shape('line', { x1: x(tick), x2: x(tick), y1: 4, y2: bottom }), label];
  });
  for (const { arm, points } of curves.reverse()) {
    if (points.length < 2) continue;
    const line = points.map(([rate, value]) => x(rate).toFixed(1) + ',' + y(value).toFixed(1)).join('L');
    const colour = 'c' + colourOf(arm.item, shown);
    const ends = `L${x(points.at(-1)[0]).toFixed(1)},${bottom}L${x(points[0][0]).toFixed(1)},${bottom}Z`;
    parts.push(shape('path', { d: 'M' + line + ends }, 'area ' + colour), shape('path', { d: 'M' + line }, 'curve ' + colour));
  }
  picture.replaceChildren(...parts);
  byId('curves_key').replaceChildren(...best.map((arm) => {
    const key = make('span', 'key c' + colourOf(arm.item, shown), arm.item.slice(0, 24));
    key.append(make('b', '', percent(arm.mean)));
    return key;
  }));
}

// --- the table

function bar(className) {
  const picture = shape('svg', { viewBox: '0 0 200 16', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, className);
  picture.append(shape('rect', { x: 0, y: 7, width: 200, height: 2 }, 'rail'),
                 shape('rect', { y: 4, height: 8, rx: 2 }, 'filled'));
  return picture;
}

function picturesOf(item) {
  if (!pictures.has(item)) {
    const likely = bar('likely');
    likely.append(shape('rect', { y: 1, width: 2, height: 14 }, 'mean'));
    pictures.set(item, { likely, share: bar('share') });
  }
  return pictures.get(item);
}

function setSpan(rect, from, to) {
  rect.setAttribute('x', (200 * from).toFixed(1));
  rect.setAttribute('width', Math.max(1, 200 * (to - from)).toFixed(1));
}

/// The share of the last seconds' picks that an item had; NaN where there were none.
function picksNow(arms) {
  const now = performance.now();
  const picked = new Map(arms.map((arm) => [arm.item, arm.picked]));
  samples.push({ now, picked });
  samples = samples.filter((sample) => now - sample.now <= 1000 * kPickSeconds);
  const since = samples[0].picked;
  const gained = new Map(arms.map(({ item, picked: n }) => {
    const before = since.get(item) ?? 0;
    return [item, n < before ? n : n - before];
  }));
  const all = [...gained.values()].reduce((sum, n) => sum + n, 0);
  return (item) => gained.get(item) / all;
}

function armCells(arm, axis, share) {
  const { likely, share: shareBar } = picturesOf(arm.item);
  const [, range, mean] = likely.children;
  setSpan(range, axis.at(arm.low), axis.at(arm.high));
  mean.setAttribute('x', (199 * axis.at(arm.mean)).toFixed(1));
  setSpan(shareBar.children[1], 0, Number.isFinite(share) ? share : 0);
  return [
    { text: arm.item, className: 'name' },
    number(Math.max(0, arm.impressions - 1)),
    number(Math.max(0, arm.clicks - 1)),
    arm.rate === null ? '–' : percent(arm.rate, 2),
    { element: likely },
    percent(arm.low),
    percent(arm.high),
    percent(share),
    { element: shareBar },
  ];
}

// --- refreshes

const some = (ids) => ids.slice(0, 6).join(', ') + (ids.length > 6 ? ` and ${ids.length - 6} more` : '');

/// Whatever a refresh wrote down, in words. The first one has no round behind it to tell of.
function told(entry) {
  if (typeof entry !== 'object' || entry === null) return String(entry);
  const untold = new Set(entry.impressions === 0 ? ['round', 'impressions', 'clicks', 'rate'] : ['round']);
  return Object.entries(entry).filter(([name]) => !untold.has(name)).map(([name, value]) => {
    if (Array.isArray(value)) return value.length === 0 ? '' : `${name} ${value.length}: ${some(value.map(String))}`;
    if (name === 'at') return timeOfDay(value);
    if (name.includes('rate') && typeof value === 'number') return `${name.replaceAll('_', ' ')} ${percent(value)}`;
    return name.replaceAll('_', ' ') + ' ' + (typeof value === 'number' ? number(value) : String(value));
  }).filter(Boolean).join(' · ');
}

function showStore(bandit) {
  const age = bandit.age === null ? '' : ' of ' + duration(bandit.age) + ' ago';
  const why = bandit.status === 'ok' ? '' : ': ' + bandit.status;
  const text = {
    current: bandit.status === 'ok' ? '' : 'The last reading: ' + bandit.status,
    'last-known': 'Picks are drawn from what was known' + age + why,
    fallback: 'There are no arms. The fallback is answered' + why,
    none: 'There are no arms, and no fallback: /item answers 503' + why,
  }[bandit.state] ?? bandit.state;
  setText(byId('store'), text);
  byId('store').hidden = text === '';
}

function show(bandit) {
  showStore(bandit);
  setText(byId('round'), number(bandit.round));
  setText(byId('impressions'), number(bandit.impressions));
  setText(byId('clicks'), number(bandit.clicks));
  setText(byId('rate'), bandit.impressions > 0 ? percent(bandit.clicks / bandit.impressions, 2) : '–');
  setText(byId('late'), number(bandit.late));
  const picks = pickRate.next(bandit.picks);
  setText(byId('picks'), picks === null ? '–' : perSecond(picks));
  const arms = bandit.arms;
  byId('curves_section').hidden = arms.length === 0;
  setText(byId('more'), (bandit.arms_total > arms.length ? `the best ${arms.length} of ${number(bandit.arms_total)}; ` : '') +
          `policy ${bandit.policy}; picks of the last ${kPickSeconds} s`);
  for (const item of pictures.keys()) {
    if (!arms.some((arm) => arm.item === item)) pictures.delete(item);
  }
  if (arms.length > 0) {
    const axis = axisAround(arms);
    setText(byId('scale'), tickText(axis, axis.from) + ' to ' + tickText(axis, axis.to));
    drawCurves(arms, axis);
    const share = picksNow(arms);
    rows.show(arms, (arm) => arm.item, (arm) => armCells(arm, axis, share(arm.item)));
  } else {
    rows.show([], (arm) => arm.item, () => []);
  }
  const history = bandit.history.map((entry, index) => ({ entry, key: String(index), round: entry?.round }));
  byId('history_section').hidden = history.length === 0;
  rounds.show(history, ({ key }) => key, ({ entry, round }) => [number(round), { text: told(entry), className: 'told' }]);
}

watch(() => askJson('/arms', { format: 'json', n: kMostArms }), show, () => {
  pickRate.forget();
  samples = [];
}, { pollMs: kPollMs, restsHidden: true });
