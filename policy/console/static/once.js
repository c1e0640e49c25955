// The second click of a double click sends nothing. What is shown once (a secret, recovery codes) is in the answer to the
// first, and a browser throws that away for the second's. Without script the server still does nothing twice.
"use strict";
(() => {
  const WITHIN_MS = 5000; // later somebody means it: the answer was a file, or did not come
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") {
      return;
    }
    if (event.timeStamp - (sent.get(form) ?? -Infinity) < WITHIN_MS) {
      event.preventDefault();
    } else {
      sent.set(form, event.timeStamp);
    }
  });
})();
