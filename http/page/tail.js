// The last messages of a selection of topics, as they come.
//
// The browser's EventSource goes on by itself where it was (Last-Event-ID). What it does not do is
// done here: it gives up on an answer that is an error, it knows no place to go on from before the
// first message, and it has no mercy with a browser that gets more than anybody can read.
import { address, make, setText, timeOfDay } from './common.js';

const kMessages = 200;
const kCharacters = 4000;
const kAgainMs = 1000;
const kShowMs = 100;
// So many messages a second for so many seconds are too many; then the tail rests.
const kMostASecond = 5000;
const kPatienceSeconds = 3;
const kRestMs = 10000;

export class Tail {
  constructor(list, state) {
    this.list = list;
    this.state = state;
    this.pending = [];
    this.source = null;
    this.taken = 0;  // in this second
    this.busySeconds = 0;
  }

  /// `since`: as the parameter of /sub.
  listen(topic, since) {
    this.stop();
    this.topic = topic;
    this.since = since;
    this.began = performance.now();
    this.last = '';  // the id to go on behind
    this.open();
    this.watching = setInterval(() => this.watchRate(), 1000);
  }

  stop() {
    clearTimeout(this.again);
    clearInterval(this.watching);
    this.source?.close();
    this.source = null;
    this.busySeconds = 0;
    setText(this.state, 'not listening');
  }

  clear() {
    this.pending = [];
    this.list.replaceChildren();
  }

  open() {
    const source = new EventSource(address('/sub', {
      topic: this.topic,
      format: 'sse',
      client: 'status-page',
      slow: 'skip',
      heartbeat: '15s',
      since: this.last || this.since === 'now' ? '' : this.since,
      last_event_id: this.last,
    }));
    this.source = source;
    setText(this.state, 'connecting');
    source.addEventListener('open', () => setText(this.state, 'listening to ' + this.topic));
    source.addEventListener('message', (event) => this.take(event));
    source.addEventListener('gap', (event) => this.takeGap(event));
    source.addEventListener('kicked', (event) => this.add(make('li', 'notice', event.data)));
    source.addEventListener('error', () => this.lost(source));
  }

  lost(source) {
    if (source !== this.source) return;
    const closed = source.readyState === EventSource.CLOSED;
    setText(this.state, this.last ? 'connection lost; goes on behind ' + this.last.split(' ')[0]
                                  : closed ? 'refused; trying again' : 'connection lost; trying again');
    if (!closed && this.last) return;  // it comes back by itself
    source.close();
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      // Nothing was seen yet: what is published meanwhile is asked for by time.
      if (!this.last && this.startsNow()) {
        this.since = Math.ceil((performance.now() - this.began) / 1000) + 's';
      }
      this.open();
    }, kAgainMs);
  }

  startsNow() {
    return this.since === 'now' || this.since.endsWith('s');
  }

  watchRate() {
    this.busySeconds = this.taken > kMostASecond ? this.busySeconds + 1 : 0;
    const taken = this.taken;
    this.taken = 0;
    if (this.busySeconds < kPatienceSeconds) return;
    this.stop();
    this.add(make('li', 'notice', taken.toLocaleString('en') + ' messages a second are more than one can read; ' +
                  'goes on in ' + kRestMs / 1000 + ' s with what is new then'));
    setText(this.state, 'resting: choose fewer topics');
    this.again = setTimeout(() => this.listen(this.topic, 'now'), kRestMs);
  }

  take(event) {
    this.last = event.lastEventId || this.last;
    ++this.taken;
    // An id is OFFSET, or SEQUENCE TOPIC OFFSET where the selection has several topics.
    const [, topic = this.topic, offset = event.lastEventId] =
      event.lastEventId.includes(' ') ? event.lastEventId.split(' ') : [];
    this.add({ topic, offset, time: Date.now() / 1000, data: event.data });
  }

  takeGap(event) {
    let gap = {};
    try {
      gap = JSON.parse(event.data);
    } catch { /* told without numbers */ }
    if (gap && gap._gap_) gap = gap._gap_;
    const what = Number.isFinite(gap?.missed)
      ? (gap.missed === 1 ? '1 message is' : gap.missed.toLocaleString('en') + ' messages are') + ' gone'
      : 'it began anew: what was missed is not known';
    this.add(make('li', 'notice', what + (gap?.next === undefined ? '' : '; goes on at ' + gap.next)));
  }

  add(entry) {
    this.pending.push(entry);
    if (this.pending.length > kMessages) this.pending.shift();
    if (this.showing) return;
    this.showing = setTimeout(() => {
      this.showing = null;
      this.show();
    }, kShowMs);
  }

  show() {
    const list = this.list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
    list.append(...this.pending.map((entry) => (entry instanceof Node ? entry : element(entry))));
    this.pending = [];
    while (list.children.length > kMessages) list.firstChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function element({ topic, offset, time, data }) {
  const item = make('li');
  item.append(make('span', 'where', topic + ' ' + offset), make('time', '', timeOfDay(time)),
              messageText(data));
  return item;
}

/// A message as text, cut where it is long.
export function messageText(text) {
  const element = make('code', '', text.slice(0, kCharacters));
  if (text.length > kCharacters) {
    element.append(make('span', 'more', '… and ' + (text.length - kCharacters) + ' more characters'));
  } else if (text === '') {
    element.append(make('span', 'more', 'empty'));
  }
  return element;
}
