// The chart of the overview: draws the numbers in #series, and draws them again when new ones have come.
// Whoever has no script, or no eyes for it, has them in a table.
"use strict";
(() => {
  const figure = document.getElementById("chart");
  const dashes = { accepted: [], held: [8, 4], refused: [2, 3] }; // lines are told apart without their colours, too
  const page = document.documentElement.lang; // as in moments.js: British hours for a British reader
  const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "short" });
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const number = new Intl.NumberFormat(language);
  const numbers = () => JSON.parse(document.getElementById("series").dataset.series);
  const size = () => ({ width: figure.clientWidth - 20, height: 260 });

  const make = (data) => {
    const axis = { stroke: colour("text"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const isLong = data[0].at(-1) - data[0][0] > 2 * 86400;
    const line = (name) => ({
      label: figure.dataset[name],
      stroke: colour(name),
      width: 2,
      dash: dashes[name],
      points: { show: false },
      value: (_, found) => (found == null ? "–" : number.format(found)),
    });
    return new uPlot({
      ...size(),
      scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
      axes: [
        { ...axis, space: 70, values: (_, ats) => ats.map((at) => (isLong ? day : clock).format(new Date(at * 1000))) },
        { ...axis, size: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] },
      ],
      series: [
        { label: figure.dataset.time, value: (_, at) => (at == null ? "–" : moment.format(new Date(at * 1000))) },
        line("accepted"),
        line("held"),
        line("refused"),
      ],
    }, data, figure);
  };

  figure.hidden = false;
  let chart = make(numbers());
  new ResizeObserver(() => chart.setSize(size())).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    chart.destroy();
    chart = make(numbers());
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    if (event.detail.type === "series") {
      chart.setData(numbers());
    } else if (event.detail.type === "end") {
      event.target.hidden = false;
    }
  });
})();
