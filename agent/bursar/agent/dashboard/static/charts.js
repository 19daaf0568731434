/* Draws what stands in data-chart with uPlot, in the colours of the style sheet, and draws it again when it changes. */
(() => {
  "use strict";
  const drawn = new Map(); // element -> { plot, text }
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colours = () => Array.from({ length: 8 }, (_, place) => css(`--line-${place + 1}`));
  const written = {
    money: (v) => v == null ? "–" : (v < 0 ? "-$" : "$") + (Math.abs(v) >= 0.1 || v === 0 ? Math.abs(v).toFixed(2) : Math.abs(v).toPrecision(2)),
    count: (v) => v == null ? "–" : v.toLocaleString("en"),
    duration: (v) => v == null ? "–" : v < 1 ? `${Math.round(v * 1000)} ms` : `${v.toPrecision(3)} s`,
  };
  const stacked = (lines) => {
    const sums = [];
    return lines.map((line) => line.style ? line.values : line.values.map((v, i) => (sums[i] = (sums[i] || 0) + (v || 0))));
  };
  const series = (line, colour, shape, raw, measure) => {
    const plain = !line.style;
    const filled = plain && shape !== "lines";
    return {
      label: line.name,
      stroke: line.style === "limit" ? css("--bad") : line.style === "band" ? "transparent" : colour,
      width: line.style === "band" ? 0 : 1.5,
      dash: line.style === "dashed" || line.style === "limit" ? [5, 4] : undefined,
      fill: filled ? colour + (shape === "bars" ? "cc" : "55") : undefined,
      paths: filled && shape === "bars" ? uPlot.paths.bars({ size: [0.8, 40] }) : undefined,
      points: { show: false },
      spanGaps: line.style !== "",
      value: (_, __, ___, i) => i == null ? "–" : written[measure](raw[i]),
    };
  };
  const options = (chart, element) => {
    const palette = colours(), ink = css("--dim"), rule = css("--rule");
    const order = chart.shape === "lines" ? chart.lines : [...chart.lines].reverse(); // the tallest of a stack first
    const place = (line) => chart.lines.indexOf(line);
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "12px system-ui" };
    const steps = chart.ticks.length > 0;
    const bands = [];
    order.forEach((line, i) => { if (line.style === "band" && order[i + 1]?.style === "band") bands.push({ series: [i + 1, i + 2], fill: css("--band") }); });
    return {
      width: element.clientWidth || 600,
      height: element.dataset.height ? Number(element.dataset.height) : 220,
      scales: { x: { time: !steps, ...(steps && { range: (_, low, high) => [low - 0.5, high + 0.5] }) }, y: { range: (_, low, high) => [Math.min(0, low || 0), (high || 1) * 1.05] } },
      axes: [
        steps ? { ...axis, values: (_, splits) => splits.map((s) => chart.ticks[chart.x.indexOf(s)] ?? "") } : axis,
        { ...axis, size: 64, values: (_, splits) => splits.map(written[chart.measure]) },
      ],
      series: [steps ? { label: "From", value: (_, v) => v == null ? "–" : chart.ticks[chart.x.indexOf(v)] } : {}, ...order.map((line) => series(line, palette[place(line) % palette.length], chart.shape, line.values, chart.measure))],
      bands,
      legend: { live: true },
      cursor: { points: { size: 6 } },
    };
  };
  const data = (chart) => {
    const heights = chart.shape === "lines" ? chart.lines.map((line) => line.values) : stacked(chart.lines);
    return [chart.x, ...(chart.shape === "lines" ? heights : [...heights].reverse())];
  };
  const shapeOf = (chart) => JSON.stringify([chart.shape, chart.measure, chart.ticks, chart.lines.map((line) => [line.name, line.style])]);
  const draw = (element) => {
    const text = element.dataset.chart, known = drawn.get(element);
    if (known?.text === text) return;
    const chart = JSON.parse(text), shape = shapeOf(chart);
    if (!chart.x.length) { forget(element); return; }
    known?.plot.destroy();
    element.replaceChildren();
    drawn.set(element, { plot: new uPlot(options(chart, element), data(chart), element), text, shape });
  };
  const forget = (element) => { drawn.get(element)?.plot.destroy(); drawn.delete(element); };
  const all = () => {
    for (const element of drawn.keys()) if (!element.isConnected) forget(element);
    document.querySelectorAll("[data-chart]").forEach(draw);
  };
  const again = () => { for (const known of drawn.values()) known.text = ""; all(); };
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("htmx:after:swap", all);
  document.addEventListener("bursar:theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let sized = 0;
  addEventListener("resize", () => {
    clearTimeout(sized);
    sized = setTimeout(() => drawn.forEach(({ plot }, element) => plot.setSize({ width: element.clientWidth, height: plot.height })), 100);
  });
})();
