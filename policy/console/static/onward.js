// Sends the one form of a page that is only on the way; without script there is its button.
"use strict";
document.querySelector("form[data-onward]").requestSubmit();
