// The page of a daemon without one of its own: every number of /stats and its change a second.
import { address, askJson, byId, make, number, perSecond, Rate, Rows, watch } from './common.js';

const rows = new Rows(byId('stats'), [1, 2]);
const rates = new Map();

// Numbers and texts, those of objects within by "outer inner", of lists by their names.
function flat(value, name, out) {
  if (value !== null && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) {
      const within = Array.isArray(value) && inner?.name ? inner.name : key;
      flat(inner, name ? name + ' ' + within : within, out);
    }
  } else if (value !== null) {
    out.push({ name, value });
  }
  return out;
}

function cells({ name, value }) {
  if (name === 'start_time') return ['started', new Date(value * 1000).toLocaleString(), ''];
  if (typeof value !== 'number') return [name.replaceAll('_', ' '), String(value), ''];
  if (!rates.has(name)) rates.set(name, new Rate());
  const rate = rates.get(name).next(value);
  return [
    name.replaceAll('_', ' '),
    Number.isInteger(value) ? number(value) : String(value),
    rate ? perSecond(rate) : '',
  ];
}

// A reader has a page of its tasks, a bandit one of its arms.
function linkPage(name) {
  if (byId(name + '_link')) return;
  const link = make('a', '', name);
  link.id = name + '_link';
  link.href = address('/' + name);
  document.querySelector('footer').prepend(link, ' ');
}

watch(() => askJson('/stats', { format: 'json' }), (stats) => {
  if (Array.isArray(stats.tasks)) linkPage('tasks');
  if ('arms' in stats) linkPage('arms');
  rows.show(flat(stats, '', []), (entry) => entry.name, cells);
}, () => rates.clear());
