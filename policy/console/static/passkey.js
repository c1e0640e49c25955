// Makes or uses a passkey (Web Authentication Level 2): the options stand in the form, the answer goes back in a field.
// Binary values are base64url text on both sides; older browsers have no functions for that, so it is done here.
"use strict";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function withBytes(options) {
  const named = (one) => ({ ...one, id: toBytes(one.id) });
  const found = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) found.user = named(options.user);
  if (options.allowCredentials) found.allowCredentials = options.allowCredentials.map(named);
  if (options.excludeCredentials) found.excludeCredentials = options.excludeCredentials.map(named);
  return found;
}

function asText(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

async function ask(form) {
  const options = { publicKey: withBytes(JSON.parse(form.dataset.options)) };
  const credential = await navigator.credentials[form.dataset.passkey](options);
  form.elements.answer.value = asText(credential);
  form.submit();
}

if (window.PublicKeyCredential) {
  for (const section of document.querySelectorAll("[data-needs-passkeys]")) section.hidden = false;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const failure = form.querySelector("[data-failure]");
      failure.hidden = true;
      ask(form).catch(() => { failure.hidden = false; });
    });
  }
}
