// Says while somebody types how long the password is. The rules themselves are the server's.
"use strict";
for (const field of document.querySelectorAll("input[data-count]")) {
  const hint = document.getElementById(field.dataset.count);
  const show = () => {
    const count = [...field.value].length;
    hint.textContent = count ? hint.dataset.text.replace("#", String(count)) : "";
  };
  field.addEventListener("input", show);
}
