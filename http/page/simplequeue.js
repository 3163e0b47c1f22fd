// The page of simplequeue: all queues in a table, and one of them looked into.
import { ask, askJson, byId, bytes, confirmed, duration, make, number, perSecond, Rate, Rows, setText, timeOfDay,
         watch } from './common.js';
import { Chart, Past } from './chart.js';
import { messageText } from './tail.js';

const kPeeked = 20;
const kPeekMs = 3000;  // messages may be large
const kPasts = 100;  // queues of which the past is kept
const kCounters = ['puts', 'gets', 'finished'];

const depthChart = new Chart(byId('depth'), [
  { label: 'ready', colour: '--first' },
  { label: 'in flight', colour: '--second' },
  { label: 'dead', colour: '--third' },
]);
const rateChart = new Chart(byId('rates'), [
  { label: 'put', colour: '--first' },
  { label: 'given out', colour: '--second' },
  { label: 'finished', colour: '--third' },
]);

let chosen = chosenByAddress();
let peekDue = 0;
let state = null;  // of the chosen queue: {depth, in_flight, deferred, dead, paused}
const pasts = new Map();
let ratePast = new Past(3);
let rates = kCounters.map(() => new Rate());

// Of `/#jobs`; null where that cannot be a queue.
function chosenByAddress() {
  const name = location.hash.slice(1);
  return /^[A-Za-z0-9._-]{1,64}$/.test(name) ? name : null;
}

function choose(name) {
  if (name === chosen) return;
  chosen = name;
  peekDue = 0;
  history.replaceState(null, '', '#' + encodeURIComponent(name));
  ratePast = new Past(3);
  rates = kCounters.map(() => new Rate());
  state = null;
  setText(byId('action_answer'), '');
  byId('peek').replaceChildren();
  setText(byId('peek_note'), '');
  refresh();
}

// What is asked for each second: the numbers of the chosen queue and, in the same answer, of all.
async function askStats() {
  const name = chosen;
  const [stats, list] = await Promise.all([
    askJson('/stats', { format: 'json', queue: name }),
    askJson('/queues', { format: 'json' }),
  ]);
  return { ...stats, asked: name, paused_queues: new Set(list.filter((q) => q.paused).map((q) => q.name)) };
}

// --- all queues

const rows = new Rows(byId('queues'), [1, 2, 3, 4, 5]);

function showQueues(stats) {
  const names = Object.keys(stats.queues);
  rows.show(names, (name) => name, (name) => {
    const queue = stats.queues[name];
    return [
      { text: name, action: () => choose(name), className: name === chosen ? 'chosen' : '' },
      number(queue.depth),
      number(queue.in_flight),
      number(queue.deferred),
      { text: number(queue.dead), className: queue.dead > 0 ? 'bad' : '' },
      bytes(queue.bytes),
      stats.paused_queues.has(name) ? { text: 'paused', className: 'behind' } : '',
    ];
  });
  for (const name of names) {
    byIdOfRow(name).setAttribute('aria-pressed', String(name === chosen));
  }
  setText(byId('queues_note'), names.length === 0 ? 'None yet: the first put makes one.' : '');
  const sum = (what) => names.reduce((total, name) => total + stats.queues[name][what], 0);
  setText(byId('ready'), number(sum('depth')));
  setText(byId('in_flight'), number(sum('in_flight')));
  setText(byId('deferred'), number(sum('deferred')));
  setText(byId('dead'), number(sum('dead')));
  byId('dead').className = sum('dead') > 0 ? 'bad' : '';
  setText(byId('memory'), bytes(stats.memory_bytes));
  setText(byId('disk'), stats.journal ? bytes(stats.data_path_bytes) : 'nothing');
}

const byIdOfRow = (name) => rows.rows.get(name).firstChild.firstChild;

function remember(stats) {
  for (const name of pasts.keys()) {
    if (!stats.queues[name]) pasts.delete(name);
  }
  for (const [name, queue] of Object.entries(stats.queues)) {
    if (!pasts.has(name)) {
      if (pasts.size >= kPasts && name !== chosen) continue;
      pasts.set(name, new Past(3));
    }
    pasts.get(name).add([queue.depth, queue.in_flight, queue.dead]);
  }
}

// The fullest, so that the page opens with what matters.
function chooseFirst(stats) {
  const names = Object.keys(stats.queues);
  const held = (name) => {
    const queue = stats.queues[name];
    return queue.depth + queue.in_flight + queue.deferred + queue.dead;
  };
  choose(names.reduce((best, name) => (held(name) > held(best) ? name : best), names[0] ?? 'default'));
}

// --- the chosen one

function showChosen(stats) {
  setText(byId('queue_title'), chosen);
  if (stats.asked !== chosen) return;  // chosen since
  const queue = stats.queues[chosen] ?? { depth: 0, in_flight: 0, deferred: 0, dead: 0 };
  state = { ...queue, paused: stats.paused_queues.has(chosen) };
  byId('paused').hidden = !state.paused;
  setText(byId('pause'), state.paused ? 'unpause' : 'pause');
  byId('kick').disabled = state.dead === 0;
  setText(byId('kick'), state.dead === 0 ? 'kick dead letters' : 'kick ' + number(state.dead) + ' dead');
  setText(byId('n_ready'), number(queue.depth));
  setText(byId('n_in_flight'), number(queue.in_flight));
  setText(byId('n_deferred'), number(queue.deferred));
  setText(byId('n_dead'), number(queue.dead));
  depthChart.show(pasts.get(chosen));
  ratePast.add(kCounters.map((name, i) => rates[i].next(stats[name])));
  rateChart.show(ratePast);
  for (const [i, name] of kCounters.entries()) {
    byId(name).title = perSecond(ratePast.last(i) ?? NaN) + ' a second';
    setText(byId(name), number(stats[name]));
  }
  setText(byId('timeouts'), number(stats.timeouts));
  setText(byId('oldest'), queue.depth > 0 ? duration(stats.oldest_ready_seconds) : '–');
  setText(byId('high_water'), number(stats.depth_high_water));
}

function show(stats) {
  if (chosen === null) return chooseFirst(stats);
  remember(stats);
  showQueues(stats);
  showChosen(stats);
  if (performance.now() >= peekDue && !document.hidden) peek();
}

// --- looking inside

let peeked = '';

async function peek() {
  peekDue = performance.now() + kPeekMs - 100;
  const wanted = { queue: chosen, state: document.querySelector('input[name=state]:checked').value };
  let text;
  try {
    text = await ask('/peek', { ...wanted, items: kPeeked });
  } catch {
    return;  // the next /stats tells whether it is away
  }
  const now = document.querySelector('input[name=state]:checked').value;
  const key = JSON.stringify(wanted) + text;
  if (wanted.queue !== chosen || wanted.state !== now || key === peeked) return;
  peeked = key;
  const messages = text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  byId('peek').replaceChildren(...messages.map(peekedElement));
  setText(byId('peek_note'), messages.length === 0 ? 'No message is ' + now.replace('_', ' ') + '.'
    : messages.length === kPeeked ? 'The first ' + kPeeked + '.' : '');
}

function peekedElement(message) {
  const item = make('li');
  const attempts = message.attempts > 0 ? ', attempt ' + message.attempts : '';
  item.append(make('span', 'where', '#' + message.id + attempts),
              make('time', '', timeOfDay(message.put_at)));
  if (message.due !== null) item.append(make('span', 'quiet', 'due ' + timeOfDay(message.due)));
  item.append(message.body === undefined ? binaryText(message.body_base64) : messageText(message.body));
  return item;
}

// Bytes that are no text are shown as such: a dot for what is not printable.
function binaryText(base64) {
  const element = messageText(atob(base64 ?? '').replace(/[^\x20-\x7e]/g, '·'));
  element.prepend(make('span', 'more', 'binary '));
  return element;
}

byId('peek_state').addEventListener('change', () => {
  byId('peek').replaceChildren();
  setText(byId('peek_note'), '');
  peeked = '';
  peek();
});

// --- acting

async function act(path, parameters, done) {
  const answer = byId('action_answer');
  answer.classList.remove('bad');
  try {
    const said = (await ask(path, { queue: chosen, ...parameters }, '')).trim();
    setText(answer, timeOfDay(Date.now() / 1000) + ' ' + (said || done));
  } catch (error) {
    setText(answer, error.message);
    answer.classList.add('bad');
  }
  peekDue = 0;
  refresh();
}

byId('pause').addEventListener('click', async () => {
  if (!state) return;
  if (state.paused) {
    if (await confirmed('Give out the messages of ' + chosen + ' again?', 'unpause')) {
      act('/unpause', {}, chosen + ' gives out messages again');
    }
  } else if (await confirmed('Pause ' + chosen + '? Nothing is given out until it is unpaused; puts go on.',
                             'pause')) {
    act('/pause', {}, chosen + ' is paused');
  }
});
byId('kick').addEventListener('click', async () => {
  const items = state?.dead ?? 0;
  if (items === 0) return;
  const what = items === 1 ? 'the dead letter' : 'the ' + number(items) + ' dead letters';
  if (await confirmed('Make ' + what + ' of ' + chosen + ' ready again?', 'kick')) act('/kick', { items }, 'kicked');
});

const refresh = watch(askStats, show, () => {
  for (const rate of rates) rate.forget();
  for (const past of pasts.values()) past.add([null, null, null]);
  ratePast.add([null, null, null]);
  depthChart.show(pasts.get(chosen));
  rateChart.show(ratePast);
});
