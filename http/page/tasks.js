// The page of a reader's tasks: how each fares, and where its views are.
import { address, askJson, byId, duration, number, perSecond, Rate, Rows, setText, watch } from './common.js';

const kLink = 9;
const tasks = new Rows(byId('tasks'), [1, 2, 3, 4, 5, 6, 7, 8]);
const counters = new Rows(byId('counters'), [2, 3]);
const outputs = new Rows(byId('outputs'), [2, 3, 4, 5]);
const rates = new Map();

function rate(name, value) {
  if (!rates.has(name)) rates.set(name, new Rate());
  const found = rates.get(name).next(value);
  return found === null ? '' : perSecond(found);
}

// Of some microseconds up to hours. Null: nothing was measured.
function time(seconds) {
  if (seconds === null) return '–';
  if (seconds < 1e-3) return number(seconds * 1e6) + ' µs';
  return seconds < 1 ? number(seconds * 1e3) + ' ms' : duration(seconds);
}

function where(task, view) {
  return address('/tasks/' + encodeURIComponent(task), { view: view === 'json' ? '' : view });
}

function taskCells(task) {
  const cells = [
    { text: task.name, className: 'name' },
    number(task.done),
    rate('task ' + task.name, task.done),
    { text: number(task.failed), className: task.failed ? 'bad' : '' },
    number(task.retried),
    { text: number(task.given_up), className: task.given_up ? 'bad' : '' },
    time(task.p50_seconds),
    time(task.p99_seconds),
    task.backoff_seconds ? duration(task.backoff_seconds) : '',
  ];
  cells[kLink] = { links: (task.views ?? []).map((view) => ({ text: view, href: where(task.name, view) })) };
  return cells;
}

function counterCells({ task, name, value }) {
  return [{ text: task, className: 'name' }, name, number(value), rate('counter ' + task + ' ' + name, value)];
}

function outputCells(output) {
  return [
    { text: output.name, className: 'name' },
    output.url,
    number(output.delivered),
    number(output.pending),
    { text: number(output.refused), className: output.refused ? 'bad' : '' },
    number(output.retries),
    output.last_error ?? '',
  ];
}

function show(reader) {
  setText(byId('work'), reader.state);
  setText(byId('messages'), number(reader.messages));
  setText(byId('rate'), perSecond(reader.messages_per_second));
  setText(byId('in_hand'), number(reader.in_hand + reader.held));
  setText(byId('requeued'), number(reader.requeued));
  setText(byId('given_up'), number(reader.given_up + reader.malformed));
  const at = reader.current;
  setText(byId('current'), at && at.seconds > 1
    ? at.task + ' at work for ' + duration(at.seconds) + (at.message ? ' on ' + at.message : '') : '');
  tasks.show(reader.tasks, (task) => task.name, taskCells);
  const counted = reader.tasks.flatMap((task) =>
    Object.entries(task.counters).map(([name, value]) => ({ task: task.name, name, value })));
  byId('counters_section').hidden = counted.length === 0;
  counters.show(counted, (one) => one.task + ' ' + one.name, counterCells);
  byId('outputs_section').hidden = reader.outputs.length === 0;
  outputs.show(reader.outputs, (output) => output.name, outputCells);
}

watch(() => askJson('/tasks', { format: 'json' }), show, () => rates.clear());
