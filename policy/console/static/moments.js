// Moments come in UTC; here they are put into the reader's own zone and form. What came stays as the tooltip.
"use strict";
(() => {
  // British moments for a British reader of the English page.
  const page = document.documentElement.lang;
  const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;
  const form = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const put = (within) => {
    for (const one of within.querySelectorAll("time[datetime]:not([title])")) {
      one.title = one.textContent;
      one.textContent = form.format(new Date(one.dateTime));
    }
  };
  put(document);
  const zone = document.getElementById("zone");
  if (document.querySelector("time[datetime]")) {
    const parts = new Intl.DateTimeFormat(language, { timeZoneName: "shortOffset" }).formatToParts(new Date());
    const offset = parts.find((one) => one.type === "timeZoneName").value;
    zone.lastElementChild.textContent = `${form.resolvedOptions().timeZone} (${offset})`;
    zone.hidden = false;
  }
  document.addEventListener("htmx:load", (event) => put(event.detail.elt.parentElement ?? document));
})();
