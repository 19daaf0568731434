/* Draws what stands in data-chart with uPlot, in the colours of the style sheet. New figures go into the plot that is
   there, so that nothing flickers; only another kind of chart, or another theme, is drawn anew. */
(() => {
  "use strict";
  const drawn = new Map(); // element -> { plot, text, shape, chart }
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const zone = () => document.getElementById("page")?.dataset.zone || "UTC";
  const exact = (v, digits) => v.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const dollars = (a) => a === 0 ? "0" : a >= 1000 ? exact(a, 0) : a >= 0.1 ? exact(a, 2) : a.toLocaleString("en", { maximumSignificantDigits: 3 });
  const written = {
    money: (v) => `${v < 0 ? "-" : ""}$${dollars(Math.abs(v))}`,
    count: (v) => v.toLocaleString("en"),
    duration: (v) => v < 1 ? `${Math.round(v * 1000)} ms` : `${v.toPrecision(3)} s`,
  };
  const onAxis = { ...written, count: (v) => v.toLocaleString("en", { notation: "compact" }) };

  // The first line stands on top of the others, and is drawn first.
  const stacked = (lines) => {
    const sums = [];
    return [...lines].reverse().map((line) => line.style ? line.values : line.values.map((v, i) => (sums[i] = (sums[i] || 0) + (v || 0)))).reverse();
  };
  const data = ({ x, lines, shape }) => [x, ...(shape === "lines" ? lines.map((line) => line.values) : stacked(lines))];

  const shownAt = (place) => {
    const day = uPlot.fmtDate("{D} {MMM}"), minute = uPlot.fmtDate("{HH}:{mm}");
    const at = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), place);
    return {
      at,
      whole: (seconds) => { const date = at(seconds); return `${day(date)} ${minute(date)}`; },
      ticks: (seconds, step) => {
        const date = at(seconds), midnight = date.getHours() === 0 && date.getMinutes() === 0;
        return step >= 86400 || midnight ? day(date) : minute(date);
      },
    };
  };
  const stroke = (line, colour) => ({ limit: css("--bad"), band: "transparent" })[line.style] ?? colour;
  const series = (known, place, colour) => {
    const { lines, shape, measure } = known.chart, line = lines[place];
    const bars = !line.style && shape === "bars";
    return {
      label: line.name,
      class: line.style || "plain",
      stroke: stroke(line, colour),
      width: line.style === "band" ? 0 : bars ? 0 : 1.75,
      dash: line.style === "dashed" ? [5, 4] : line.style === "limit" ? [2, 3] : undefined,
      fill: line.style || shape === "lines" ? undefined : colour + (bars ? "" : "55"),
      paths: bars ? uPlot.paths.bars({ size: [0.8, 40] }) : undefined,
      points: { show: false },
      spanGaps: false,
      value: (_, __, ___, i) => { const v = i == null ? null : known.chart.lines[place].values[i]; return v == null ? "" : written[measure](v); },
    };
  };
  // A forecast has the colour of the line that it goes on from.
  const colourOf = (lines) => {
    const palette = Array.from({ length: 8 }, (_, place) => css(`--line-${place + 1}`));
    let next = -1;
    return lines.map((line) => palette[Math.max(line.style ? next : ++next, 0) % palette.length]);
  };
  const bands = (lines) => lines.flatMap((line, place) =>
    line.style === "band" && lines[place + 1]?.style === "band" ? [{ series: [place + 1, place + 2], fill: css("--band") }] : []);
  const options = (known, element) => {
    const { chart } = known, { lines, ticks, measure } = chart;
    const named = ticks.length > 0, time = shownAt(zone()), colours = colourOf(lines);
    const ink = css("--dim"), rule = css("--rule");
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 4 }, font: "12px system-ui" };
    return {
      width: element.clientWidth || 600,
      height: Number(element.dataset.height) || 220,
      tzDate: time.at,
      scales: { x: named ? { time: false, range: (_, low, high) => [low - 0.5, high + 0.5] } : { time: true }, y: { range: (_, low, high) => [Math.min(0, low || 0), (high || 1) * 1.05] } },
      axes: [
        { ...axis, size: 34, space: 60, values: (_, splits, __, ___, step) => splits.map((s) => named ? known.chart.ticks[known.chart.x.indexOf(s)] ?? "" : time.ticks(s, step)) },
        { ...axis, space: 34, size: (_, values) => 16 + 7 * Math.max(3, ...(values ?? []).map((v) => v.length)), values: (_, splits) => splits.map(onAxis[measure]) },
      ],
      series: [
        { label: "At", value: (_, s, __, i) => i == null ? "" : named ? `from ${known.chart.ticks[i]}` : time.whole(s) },
        ...lines.map((_, place) => series(known, place, colours[place])),
      ],
      bands: bands(lines),
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    };
  };

  const shapeOf = ({ shape, measure, ticks, lines }) => JSON.stringify([shape, measure, ticks.length > 0, lines.map((line) => [line.name, line.style])]);
  const forget = (element) => { drawn.get(element)?.plot.destroy(); drawn.delete(element); };
  const there = (element) => element.dataset.chart !== undefined && element.contains(drawn.get(element)?.plot.root ?? null);
  const draw = (element) => {
    const text = element.dataset.chart, before = there(element) ? drawn.get(element) : undefined;
    if (before?.text === text) return;
    const chart = JSON.parse(text), shape = shapeOf(chart);
    if (before?.shape === shape && chart.x.length) {
      Object.assign(before, { text, chart });
      before.plot.setData(data(chart));
      return;
    }
    forget(element);
    element.replaceChildren();
    if (!chart.x.length) return;
    const known = { text, shape, chart };
    known.plot = new uPlot(options(known, element), data(chart), element);
    drawn.set(element, known);
  };
  const all = () => {
    for (const element of drawn.keys()) if (!element.isConnected || !there(element)) forget(element);
    document.querySelectorAll("[data-chart]").forEach(draw);
  };
  const again = () => { for (const known of drawn.values()) known.text = known.shape = ""; all(); };
  const fit = () => drawn.forEach(({ plot }, element) => {
    if (element.clientWidth && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: plot.height });
  });
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("htmx:after:swap", all);
  document.addEventListener("bursar:theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let sized = 0;
  addEventListener("resize", () => { clearTimeout(sized); sized = setTimeout(fit, 100); });
})();
