// What tests/live/test_javascript.py runs: node peer.mjs ROLE URL [TOKEN]
import { arrays } from "./arrays.mjs";
import { Component } from "./swergio.mjs";

const [role, url, token] = process.argv.slice(2);
const peer = new Component(url, "peer", { token, codec: arrays });

const doubled = (data) => {
  if (data instanceof BigInt64Array) return Object.assign(data.map((value) => value * 2n), { shape: data.shape });
  if (ArrayBuffer.isView(data)) return Object.assign(data.map((value) => value * 2), { shape: data.shape });
  if (Array.isArray(data)) return data.map(doubled);
  if (data === "wrong") throw new TypeError("I cannot double that");
  return data === null ? null : data * 2;
};

const roles = {
  async double() {
    await peer.join("numbers", ({ data }) => doubled(data));
  },
  async echo() {
    await peer.join("there", ({ data }) => void peer.send("back", data));
  },
  async ask() {
    console.log(await peer.request("oracle", { question: "6 * 7" }));
    console.log(await peer.request("oracle", new Float32Array([1, 2, 3])));
    console.log(await peer.request("oracle", "wrong").catch((error) => error.message));
    console.log(await peer.request("nowhere", 1).catch((error) => error.message));
    await peer.close();
  },
};

process.on("SIGTERM", () => peer.close());
try {
  await peer.start();
  await roles[role]();
  console.log("ready");
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
