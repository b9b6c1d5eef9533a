// Reads the vectors of the wire (node vectors.mjs FOLDER) and writes what a component says again.
import { readFileSync } from "node:fs";
import { deepStrictEqual } from "node:assert";
import { arrays } from "./arrays.mjs";
import { batchOfOne, frame, frames, messages } from "./swergio.mjs";

const load = (name) => JSON.parse(readFileSync(`${process.argv[2]}/${name}.json`, "utf8"));
const packets = [
  ...load("frames").map(({ packet, frames }) => [packet, frames]),
  ...load("conversations").flatMap(({ steps }) => steps.map(({ packet, frames }) => [packet, frames])),
];
let read = 0, written = 0;
for (const [hex, described] of packets) {
  const parts = [...frames(Buffer.from(hex, "hex"))];
  deepStrictEqual(parts.length, described.length);
  read += parts.length;
  if (parts.some(([op]) => op >= 16)) continue; // JavaScript would write the hub's 15.0 as an integer
  deepStrictEqual(Buffer.concat(parts.map((each) => frame(...each))).toString("hex"), hex);
  written += parts.length;
}
const [, pass, reply] = load("batches").map(({ payload }) => messages(arrays, Buffer.from(payload, "hex")));
deepStrictEqual(pass.map(({ data }) => [...data.x]), [[0, 0, 0], [1, 1, 1]]);
deepStrictEqual([reply[0].parent, reply[0].kind, reply[0].data], ["ann#1/0/1", 2, { answer: 42 }]);
const [{ payload }] = load("batches").filter(({ name }) => name === "a reply");
const [again] = batchOfOne(arrays, "DATA/CUSTOM", 2, { answer: 42 }, "ann#1/0/1", "ann#1/0/1", 1767225600.5);
deepStrictEqual(again.toString("hex"), payload);
console.log(`${read} frames read, ${written} written`);
