// What the pages share: asking the daemon, noticing that it is away, tables and numbers.
//
// Whatever came from a message, a client or a queue enters the page by textContent.

const token = new URLSearchParams(location.search).get('token');
const started = performance.now();
const kTimeoutMs = 5000;
const kPollMs = 1000;

export const byId = (id) => document.getElementById(id);

/// The path with its parameters, and with the token that the page was opened with. Parameters that
/// are null or '' are left out.
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== '') query.set(name, value);
  }
  if (token) query.set('token', token);
  const text = query.toString();
  return text ? path + '?' + text : path;
}

/// The answer's text. Throws where there is none or it is an error, with what the daemon said.
export async function ask(path, parameters, body) {
  const answer = await fetch(address(path, parameters), {
    method: body === undefined ? 'GET' : 'POST',
    body,
    headers: body === undefined ? {} : { 'Content-Type': 'text/plain' },
    cache: 'no-store',
    signal: AbortSignal.timeout(kTimeoutMs),
  });
  const text = await answer.text();
  if (answer.ok) return text;
  throw Object.assign(new Error(text.trim() || 'answered ' + answer.status), { status: answer.status });
}

export async function askJson(path, parameters) {
  return JSON.parse(await ask(path, parameters));
}

// --- numbers

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const number = (n) => (Number.isFinite(n) ? whole.format(n) : '–');
export const short = (n) => (Math.abs(n) < 10000 ? tenths.format(n) : compact.format(n));

/// A rate: whole numbers, but for small ones.
export function perSecond(n) {
  if (!Number.isFinite(n)) return '–';
  return n > 0 && n < 10 ? tenths.format(n) : whole.format(n);
}

export function bytes(n) {
  if (!Number.isFinite(n)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    ++unit;
  }
  return (unit === 0 ? whole : tenths).format(n) + ' ' + units[unit];
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 10) return tenths.format(seconds) + ' s';
  const s = Math.floor(seconds);
  if (s < 120) return s + ' s';
  if (s < 7200) return Math.floor(s / 60) + ' min';
  if (s < 172800) return Math.floor(s / 3600) + ' h';
  return Math.floor(s / 86400) + ' days';
}

/// Seconds since 1970, or what else names a time, as the time of day here.
export function timeOfDay(time) {
  const date = typeof time === 'number' ? new Date(time * 1000) : new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toLocaleTimeString([], { hour12: false });
}

/// How fast a counter grows. Null when that is not known: at first, and when it began anew.
export class Rate {
  next(value, now = performance.now()) {
    const before = this.before;
    this.before = { value, now };
    if (!before || value < before.value || now <= before.now) return null;
    return (value - before.value) * 1000 / (now - before.now);
  }

  forget() {
    this.before = undefined;
  }
}

// --- elements

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/// Makes the rows of a table body those of `items`, in their order, keeping the rows that stay (and
/// so the focus). cells(item) is a list of texts, of {text, className}, of {text, action}, which is a
/// button, or of {element}, which is put there; every item has as many.
export class Rows {
  constructor(body, numeric) {
    this.body = body;
    this.numeric = numeric;  // indexes of the columns of numbers
    this.rows = new Map();
  }

  show(items, key, cells) {
    const gone = new Set(this.rows.keys());
    items.forEach((item, index) => {
      const name = key(item);
      gone.delete(name);
      let row = this.rows.get(name);
      if (!row) {
        row = make('tr');
        this.rows.set(name, row);
      }
      this.fill(row, cells(item));
      if (this.body.children[index] !== row) this.body.insertBefore(row, this.body.children[index] ?? null);
    });
    for (const name of gone) {
      this.rows.get(name).remove();
      this.rows.delete(name);
    }
  }

  link(td, links) {
    const key = JSON.stringify(links);
    if (td.dataset.links === key) return;
    td.dataset.links = key;
    td.replaceChildren(...links.flatMap(({ text, href }) => {
      const link = make('a', 'view', text);
      link.href = href;
      return [link, ' '];
    }));
  }

  fill(row, cells) {
    cells.forEach((cell, index) => {
      const { text, className = '', action, links, element } = typeof cell === 'object' ? cell : { text: cell };
      let td = row.children[index];
      if (!td) {
        td = row.appendChild(make(index === 0 ? 'th' : 'td'));
        if (index === 0) td.scope = 'row';
        if (action) {
          const button = td.appendChild(make('button', 'link'));
          button.type = 'button';
          button.addEventListener('click', action);
        }
      }
      const wanted = [this.numeric.includes(index) ? 'n' : '', className].filter(Boolean).join(' ');
      if (td.className !== wanted) td.className = wanted;
      if (links) {
        this.link(td, links);
      } else if (element) {
        if (td.firstChild !== element) td.replaceChildren(element);
      } else {
        setText(action ? td.firstChild : td, text);
      }
    });
  }
}

/// Asks before something is done: resolves to true for yes.
export function confirmed(text, verb) {
  const dialog = byId('question');
  setText(byId('question_text'), text);
  setText(byId('question_yes'), verb);
  return new Promise((resolve) => {
    const listening = new AbortController();
    const settle = (answer) => {
      listening.abort();
      if (dialog.open) dialog.close();
      resolve(answer);
    };
    const on = (element, event, handler) => element.addEventListener(event, handler, { signal: listening.signal });
    on(byId('question_yes'), 'click', () => settle(true));
    on(byId('question_no'), 'click', () => settle(false));
    // Escape. This event comes late: one of the question before must not answer this one.
    on(dialog, 'close', () => dialog.open || settle(false));
    dialog.showModal();
    byId('question_no').focus();
  });
}

// --- is it there?

let heard = null;  // when the daemon last answered

function showAway(error) {
  document.body.classList.add('away');
  setText(byId('state'), error.status ? 'refused' : 'away');
  byId('state').className = 'bad';
  const name = byId('about').dataset.program;
  const why = error.status
    ? name + ' says: ' + error.message
    : name + ' does not answer' +
      (heard === null ? '' : ' since ' + duration((performance.now() - heard) / 1000));
  setText(byId('trouble'), why + '. This page goes on by itself when it does.');
  byId('trouble').hidden = false;
}

function showThere(stats) {
  heard = performance.now();
  document.body.classList.remove('away');
  const well = stats.health === undefined || stats.health === 'ok';
  setText(byId('state'), well ? 'live' : 'failing');
  byId('state').className = well ? 'good' : 'bad';
  if (!well) setText(byId('trouble'), 'health: ' + stats.health);
  byId('trouble').hidden = well;
  if (stats.start_time) {
    setText(byId('about'), byId('about').dataset.version + ', up ' +
            duration(Math.max(0, Date.now() / 1000 - stats.start_time)));
  }
}

/// Once a second: `ask()` gives the daemon's numbers (with health and start_time), `show(numbers)`
/// puts them up; `away()` is told of each second without. What is returned asks at once.
/// `restsHidden`: nothing is asked while nobody looks.
export function watch(askStats, show, away = () => {}, { pollMs = kPollMs, restsHidden = false } = {}) {
  let timer = null;
  let running = false;
  let again = false;
  const tick = async () => {
    clearTimeout(timer);
    again = running;
    if (running) return;
    running = true;
    try {
      const stats = await askStats();
      showThere(stats);
      show(stats);
    } catch (error) {
      // A mistake of this page is not the daemon's absence.
      if (error instanceof TypeError && !/fetch|network|load/i.test(error.message)) console.error(error);
      showAway(error);
      away();
    }
    running = false;
    if (!restsHidden || !document.hidden) timer = setTimeout(tick, again ? 0 : pollMs);
  };
  document.addEventListener('visibilitychange', () => document.hidden || tick());
  timer = setTimeout(tick, 0);
  return tick;
}

/// Seconds since the page was opened.
export const age = () => (performance.now() - started) / 1000;

byId('about').dataset.version = byId('about').textContent;
byId('about').dataset.program = document.querySelector('h1').textContent;
if (token) {
  for (const link of document.querySelectorAll('footer a')) {
    const target = new URL(link.href);
    target.searchParams.set('token', token);
    link.href = target.pathname + target.search;
  }
}
