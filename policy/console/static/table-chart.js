// Draws a chart from the numbers of a table that is on the page anyway: <figure class="chart" data-chart-of="its id">.
// In the table's head each column with data-series is drawn, in the colour of that name; its rows have data-at, the
// seconds since the epoch at which a day (UTC) begins. Whoever has no script, or no eyes for it, has the table.
"use strict";
(() => {
  const dashes = [[], [8, 4], [2, 3], [8, 4, 2, 4], [12, 3]]; // lines are told apart without their colours, too
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const page = document.documentElement.lang; // as in moments.js
  const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });

  const draw = (figure) => {
    const table = document.getElementById(figure.dataset.chartOf);
    const columns = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.series);
    const rows = [...table.tBodies[0].rows].sort((one, other) => one.dataset.at - other.dataset.at);
    const data = [rows.map((row) => Number(row.dataset.at))];
    for (const column of columns) {
      data.push(rows.map((row) => Number(row.cells[column.cellIndex].textContent)));
    }
    const text = colour("text");
    const axis = { stroke: text, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const size = () => ({ width: figure.clientWidth - 20, height: 260 });
    const chart = new uPlot({
      ...size(),
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [
        { ...axis, values: (_, ats) => ats.map((at) => day.format(new Date(at * 1000))), space: 70 },
        { ...axis, size: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] },
      ],
      series: [
        { label: table.tHead.rows[0].cells[0].textContent, value: (_, at) => (at == null ? "–" : day.format(new Date(at * 1000))) },
        ...columns.map((column, number) => ({
          label: column.textContent,
          stroke: colour(column.dataset.series),
          width: 2,
          dash: dashes[number % dashes.length],
          points: { show: rows.length < 20 },
        })),
      ],
    }, data, figure);
    return { chart, size };
  };

  for (const figure of document.querySelectorAll("figure[data-chart-of]")) {
    figure.hidden = false;
    let drawn = draw(figure);
    new ResizeObserver(() => drawn.chart.setSize(drawn.size())).observe(figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      drawn.chart.destroy();
      drawn = draw(figure);
    });
  }
})();
