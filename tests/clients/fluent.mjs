// fluent-logger with a shared key, waiting for acknowledgements: PORT KEY TEXT
import { createRequire } from "node:module";

const { createFluentSender } = createRequire(import.meta.url)("fluent-logger");
const [port, sharedKey, text] = process.argv.slice(2);
const sender = createFluentSender("app", {
  host: "127.0.0.1",
  port: Number(port),
  timeout: 5,
  requireAckResponse: true,
  ackResponseTimeout: 10_000,
  security: { clientHostname: "n1", sharedKey },
});
sender.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
for (let number = 0; number < 3; number++) {
  await new Promise((done, failed) =>
    sender.emit("orders", { message: `${text} ${number}` }, (error) => (error ? failed(error) : done())),
  );
}
process.exit(0);
