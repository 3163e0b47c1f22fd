// Lines of the last ten minutes, a point a second.
import { age, make, short, timeOfDay } from './common.js';

const kSeconds = 600;
const kLeastSeconds = 60;
const kHeight = 190;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/// What a chart shows, apart from it, so that one chart can show the past of another queue.
export class Past {
  constructor(width) {
    this.columns = Array.from({ length: width + 1 }, () => []);  // time, then the lines
  }

  /// A null breaks its line. Forgets what is older than the chart is wide.
  add(values, now = Date.now() / 1000) {
    this.columns[0].push(now);
    this.columns.forEach((column, i) => i > 0 && column.push(values[i - 1] ?? null));
    let old = 0;
    while (this.columns[0][old] < now - kSeconds) ++old;
    if (old > 0 || this.columns[0].length > kSeconds * 2) {
      for (const column of this.columns) column.splice(0, Math.max(old, 1));
    }
  }

  last(line) {
    return this.columns[line + 1].at(-1);
  }
}

/// `lines` are [{label, colour}], the colours names of custom properties of page.css.
export class Chart {
  constructor(element, lines) {
    this.element = element;
    this.lines = lines;
    this.past = new Past(lines.length);
    element.setAttribute('role', 'img');
    const axis = {
      stroke: () => colour('--quiet'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: () => colour('--line'), width: 1 },
      ticks: { show: false },
    };
    this.plot = new uPlot({
      width: Math.max(element.clientWidth, 100),
      height: kHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: {
          time: true,
          range: () => {
            const now = this.past.columns[0].at(-1) ?? Date.now() / 1000;
            return [now - Math.min(Math.max(age(), kLeastSeconds), kSeconds), now];
          },
        },
        y: { range: (plot, low, high) => [0, Math.max(high ?? 0, 4) * 1.1] },
      },
      axes: [
        { ...axis, size: 28, space: 90, values: (plot, times) => times.map((t) => timeOfDay(t)) },
        { ...axis, size: 52, values: (plot, values) => values.map(short) },
      ],
      series: [
        {},
        ...lines.map((line, i) => ({
          label: line.label,
          stroke: () => colour(line.colour),
          fill: i === 0 ? () => colour(line.colour) + '1f' : undefined,
          width: 1.75,
          points: { show: false },
        })),
      ],
      hooks: { setCursor: [() => this.showLegend()] },
    }, this.past.columns, element);
    this.makeLegend();
    new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: kHeight });
    }).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.plot.redraw());
  }

  makeLegend() {
    const legend = make('p', 'legend');
    this.values = this.lines.map((line) => {
      const item = legend.appendChild(make('span', 'key ' + line.colour.slice(2)));
      item.appendChild(make('span', '', line.label));
      return item.appendChild(make('b'));
    });
    this.when = legend.appendChild(make('span', 'quiet'));
    this.element.after(legend);
  }

  // The values under the pointer, or the last ones.
  showLegend() {
    const columns = this.past.columns;
    const at = this.plot?.cursor.idx ?? columns[0].length - 1;
    this.values.forEach((element, i) => {
      const value = columns[i + 1][at];
      element.textContent = value === null || value === undefined ? '–' : short(value);
    });
    this.when.textContent = this.plot?.cursor.idx == null || at < 0 ? '' : timeOfDay(columns[0][at]);
  }

  show(past = this.past) {
    this.past = past;
    this.plot.setData(past.columns);
    this.showLegend();
    this.element.setAttribute('aria-label', this.lines.map(
      (line, i) => line.label + ': ' + this.values[i].textContent).join(', '));
  }
}
