// Sends one message with nodemailer: node send.cjs JSON. What goes wrong it says as a program would that prints errors.
const fs = require("node:fs");
const nodemailer = require("nodemailer");

const given = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport({
  host: "localhost",
  port: given.port,
  secure: given.implicit_tls,
  requireTLS: true,
  auth: { user: given.login, pass: given.secret },
  tls: given.certificate ? { ca: fs.readFileSync(given.certificate) } : {},
});
const dsn = { id: "1", return: "headers", notify: ["success", "failure"], recipient: given.message.from };
transport.sendMail({ ...given.message, ...(given.notify ? { dsn } : {}) }).catch((error) => {
  console.error(`Error: ${error.message}`);
  process.exitCode = 1;
});
