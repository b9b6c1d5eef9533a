// Answers in the room "galactic_chat": node world.mjs [URL [TOKEN]]
import { arrays } from "./arrays.mjs";
import { Component } from "./swergio.mjs";

const [url = "ws://127.0.0.1:7300", token = process.env.SWERGIO_TOKEN] = process.argv.slice(2);
const world = new Component(url, "world", { token, codec: arrays });
try {
  await world.start();
  await world.join("galactic_chat", ({ sender, data }) => {
    console.log(`${sender}: ${data}`);
    return "Hello Universe!";
  });
  process.once("SIGINT", () => world.close());
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
