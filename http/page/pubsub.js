// The page of pubsub.
import { ask, askJson, byId, bytes, make, number, perSecond, Rate, Rows, setText, timeOfDay, watch }
  from './common.js';
import { Chart } from './chart.js';
import { Tail } from './tail.js';

const kShownClients = 100;
const kShownTopics = 200;
// Long lists are asked for less often: these many entries cost a second of patience.
const kEntriesASecond = 500;
const kListMs = 2000;

const chart = new Chart(byId('rates'), [
  { label: 'published', colour: '--first' },
  { label: 'delivered', colour: '--second' },
]);
const published = new Rate();
const delivered = new Rate();

function showStats(stats) {
  const rates = [published.next(stats.messages_received), delivered.next(stats.messages_sent)];
  chart.past.add(rates);
  chart.show();
  setText(byId('published_rate'), perSecond(rates[0] ?? NaN));
  setText(byId('delivered_rate'), perSecond(rates[1] ?? NaN));
  setText(byId('subscribers'), number(stats.current_connections));
  setText(byId('topic_count'), number(stats.topics));
  setText(byId('pending'), bytes(stats.pending_bytes));
  setText(byId('kicked'), number(stats.kicked_clients));
  refreshLists(stats);
}

// --- topics and clients

const topicRows = new Rows(byId('topics'), [1, 2, 3, 4, 5]);
const topicRates = new Map();

function topicCells(topic) {
  if (!topicRates.has(topic.name)) topicRates.set(topic.name, new Rate());
  const rate = topicRates.get(topic.name).next(topic.next_offset);
  const kept = topic.next_offset - topic.first_offset;
  return [
    { text: topic.name, action: () => listen(topic.name, byId('tail_since').value) },
    perSecond(rate ?? NaN),
    number(topic.next_offset),
    kept > 0 ? number(topic.first_offset) : '–',
    kept > 0 ? bytes(topic.retained_bytes) : '–',
    number(topic.subscribers),
  ];
}

function showTopics(topics) {
  const names = byId('topic_names');
  const shown = topics.slice(0, kShownTopics);
  topicRows.show(shown, (topic) => topic.name, topicCells);
  const options = ['*', ...shown.map((topic) => topic.name)];
  if (options.join() !== [...names.children].map((option) => option.value).join()) {
    names.replaceChildren(...options.map((name) => Object.assign(make('option'), { value: name })));
  }
  for (const name of topicRates.keys()) {
    if (!topicRows.rows.has(name)) topicRates.delete(name);
  }
  setText(byId('topics_note'), topics.length === 0 ? 'None yet: the first message makes one.'
    : topics.length > shown.length ? 'and ' + number(topics.length - shown.length) + ' more' : '');
}

const clientRows = new Rows(byId('clients'), [1, 2, 5, 6]);

function clientCells(client) {
  const behind = client.lag_messages ?? 0;
  const filter = client.filter ? ' where ' + client.filter : '';
  return [
    client.client ? client.client + ' ' + client.peer : client.peer,
    { text: number(behind), className: behind > 0 ? 'behind' : '' },
    bytes(client.lag_bytes ?? 0),
    client.topic + filter,
    client.framing + (client.replaying ? ', replaying' : ''),
    number(client.sent ?? 0),
    { text: number(client.skipped ?? 0), className: client.skipped > 0 ? 'behind' : '' },
    timeOfDay(client.connected_at),
  ];
}

function showClients(clients) {
  const slowest = clients.map((client, order) => ({ client, order }))
    .sort((a, b) => (b.client.lag_bytes ?? 0) - (a.client.lag_bytes ?? 0) || a.order - b.order)
    .slice(0, kShownClients);
  clientRows.show(slowest, (entry) => entry.client.peer, (entry) => clientCells(entry.client));
  setText(byId('clients_note'), clients.length === 0 ? 'Nobody listens.'
    : clients.length > slowest.length
      ? 'and ' + number(clients.length - slowest.length) + ' more, which are less far behind' : '');
}

let listsDue = 0;
async function refreshLists(stats) {
  const now = performance.now();
  if (now < listsDue) return;
  const entries = (stats.current_connections ?? 0) + (stats.topics ?? 0);
  listsDue = now + Math.max(kListMs, entries * 1000 / kEntriesASecond) - 100;
  try {
    showTopics(await askJson('/topics'));
    showClients(await askJson('/clients', { format: 'json' }));
  } catch { /* the next /stats tells whether it is away */ }
}

// --- the tail

const tail = new Tail(byId('tail'), byId('tail_state'));

function listen(topic, since) {
  byId('tail_topic').value = topic;
  tail.clear();
  tail.listen(topic, since);
}

byId('tail_form').addEventListener('submit', (event) => {
  event.preventDefault();
  listen(byId('tail_topic').value.trim() || '*', byId('tail_since').value);
});
byId('tail_stop').addEventListener('click', () => tail.stop());
byId('tail_clear').addEventListener('click', () => tail.clear());

// --- publishing

async function publish() {
  const answer = byId('publish_answer');
  setText(answer, '…');
  answer.className = '';
  try {
    setText(answer, (await ask('/pub', {
      topic: byId('publish_topic').value,
      whole: byId('publish_whole').value,
    }, byId('publish_text').value)).trim());
    byId('publish_text').value = '';
  } catch (error) {
    setText(answer, error.message);
    answer.className = 'bad';
  }
}

byId('publish_form').addEventListener('submit', (event) => {
  event.preventDefault();
  publish();
});
byId('publish_text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('publish_form').requestSubmit();
});

watch(() => askJson('/stats', { format: 'json' }), showStats, () => {
  published.forget();
  delivered.forget();
  topicRates.clear();
  chart.past.add([null, null]);
  chart.show();
});
listen('*', 'now');
