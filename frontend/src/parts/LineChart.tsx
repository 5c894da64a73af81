// One line over time. Chart.js draws on a canvas, so what it shows is also said in words;
// colours come from the style sheet, and are read again when they change.

import {
  Chart,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from 'chart.js';
import { useEffect, useEffectEvent, useRef } from 'react';
import { printMinute, printMoment } from '../lib/format';
import type { Point } from '../lib/series';

Chart.register(Filler, LinearScale, LineController, LineElement, PointElement, Tooltip);

export interface LineChartProps {
  label: string;
  points: Point[];
  from: number;
  to: number;
  print: (value: number) => string;
}

function describe({ label, points, print }: LineChartProps): string {
  const values = points.map(({ y }) => y).filter((y) => y !== null);
  if (values.length === 0) return `${label}: nothing known yet`;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${label} over time: ${print(values.at(-1) ?? 0)} now, between ${print(least)} and ${print(most)}`;
}

function colorsOf(canvas: HTMLCanvasElement) {
  const colorOf = (name: string) => {
    const probe = document.createElement('i');
    probe.className = name;
    canvas.parentElement?.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  return {
    line: colorOf('chart-line'),
    fill: colorOf('chart-fill'),
    grid: colorOf('chart-grid'),
    text: colorOf('chart-text'),
  };
}

function makeChart(canvas: HTMLCanvasElement): Chart<'line', Point[]> {
  return new Chart<'line', Point[]>(canvas, {
    type: 'line',
    data: { datasets: [{ data: [], borderWidth: 2, fill: true, pointRadius: 0 }] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: 'nearest', axis: 'x', intersect: false },
      scales: {
        x: {
          type: 'linear',
          border: { display: false },
          grid: { display: false },
          ticks: {
            maxTicksLimit: 4,
            maxRotation: 0,
            align: 'inner',
            callback: (x) => printMinute(+x),
          },
        },
        y: {
          min: 0,
          suggestedMax: 4,
          grace: '5%',
          border: { display: false },
          ticks: { maxTicksLimit: 4, precision: 0 },
          // Of a fixed width, so that a longer number does not move the line.
          afterFit: (axis) => {
            axis.width = 36;
          },
        },
      },
    },
  });
}

function paint(chart: Chart<'line', Point[]>, props: LineChartProps): void {
  const colors = colorsOf(chart.canvas);
  const { data, options } = chart;
  const dataset = data.datasets[0];

  if (!dataset || !options.scales?.x || !options.scales.y) return;
  dataset.data = props.points;
  dataset.borderColor = colors.line;
  dataset.backgroundColor = colors.fill;
  options.color = colors.text;
  options.scales.x.min = props.from;
  options.scales.x.max = props.to;
  options.scales.x.ticks = { ...options.scales.x.ticks, color: colors.text };
  options.scales.y.ticks = { ...options.scales.y.ticks, color: colors.text };
  options.scales.y.grid = { color: colors.grid };
  options.plugins = {
    tooltip: {
      displayColors: false,
      callbacks: {
        title: ([item]) => printMoment(Number(item?.parsed.x ?? 0)),
        label: ({ parsed }) => props.print(Number(parsed.y ?? 0)),
      },
    },
  };
  chart.update('none');
}

export function LineChart(props: LineChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart<'line', Point[]> | null>(null);
  const repaint = useEffectEvent(() => {
    if (chart.current) paint(chart.current, props);
  });

  useEffect(() => {
    if (!canvas.current) return;
    chart.current = makeChart(canvas.current);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => repaint();
    const themed = new MutationObserver(changed);
    dark.addEventListener('change', changed);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      dark.removeEventListener('change', changed);
      themed.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is painted depends on them
  useEffect(() => repaint(), [props.points, props.from, props.to, props.print]);

  return (
    <div className="chart">
      <canvas ref={canvas} role="img" aria-label={describe(props)} />
    </div>
  );
}
