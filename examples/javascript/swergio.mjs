// A component in JavaScript, over version 1 of the hub's protocol (docs/wire.md). It leaves out groups, history, kept
// values, wills, passes, lossy members and batches of several messages; it notices losses only at the next message.
import { decode, encode } from "@msgpack/msgpack";
const Op = { HELLO: 1, OPEN: 2, PUBLISH: 3, CONSUMED: 4, ASK: 5, BEAT: 8, BYE: 9, WELCOME: 16, REFUSE: 17, DELIVER: 18,
  COVER: 19, MARK: 20, ACKNOWLEDGE: 21, STALL: 22, UNDELIVERED: 23, ANSWER: 24, PRESENCE: 25, LOST: 26 };
const Kind = { MESSAGE: 0, REQUEST: 1, REPLY: 2, FAILED_REPLY: 3 }, Flag = { REQUEST: 1, NOW: 2, ALIGNED: 4 };
const u32 = (...numbers) => Buffer.from(Uint32Array.from(numbers).buffer); // as little-endian as this machine
export function frame(op, header = [], payload = Buffer.alloc(0)) {
  const head = encode(header), pad = op === Op.PUBLISH && header[3] & Flag.ALIGNED ? -(8 + head.length) & 63 : 0;
  return Buffer.concat([u32(op + pad * 256 + head.length * 65536, payload.length), head, Buffer.alloc(pad), payload]);
}
export function* frames(packet) {
  for (let at = 0; at < packet.length; ) {
    const start = at + 8 + packet.readUInt16LE(at + 2), payload = start + packet.readUInt8(at + 1);
    const end = payload + packet.readUInt32LE(at + 4);
    yield [packet[at], decode(packet.subarray(at + 8, start)), packet.subarray(payload, end)];
    at = end;
  }
}
export function batchOfOne(codec, type, kind, data, root = null, parent = null, time = Date.now() / 1000) {
  const segments = [], body = encode(data, { extensionCodec: codec, context: segments });
  const sizes = segments.length ? [segments.map((segment) => segment.length)] : [];
  const columns = encode([type, time, null, kind, root && [root], parent && [parent], null, u32(body.length), sizes]);
  const batch = Buffer.concat([u32(columns.length, body.length + 1), columns, Buffer.of(0x91), body]);
  const add = (whole, segment) => Buffer.concat([whole, Buffer.alloc(-whole.length & 63), segment]);
  return [segments.reduce(add, batch), segments.length && Flag.ALIGNED];
}
export function messages(codec, payload) {
  const block = 8 + payload.readUInt32LE(), bodies = payload.subarray(block, block + payload.readUInt32LE(4));
  let at = block + bodies.length;
  const [type, time, phase, flags, roots, parents, metas, , sizes] = decode(payload.subarray(8, block));
  const segments = sizes.flat().map((size) => payload.subarray((at += -at & 63), (at += size)));
  return decode(bodies, { extensionCodec: codec, context: segments }).map((data, index) => ({
    type, time, phase, kind: flags & 7, data, root: roots?.[index], parent: parents?.[index], meta: metas?.[index],
  }));
}
const newLog = (number, next) => ({ number, next, done: next, tail: Promise.resolve() });

export class Component {
  #secret = crypto.getRandomValues(new Uint8Array(16)); #socket = null; #welcomed = false; #error = null; #epoch = null;
  #window = 0; #limit = Infinity; #heard = 0; #timer; #waiting = new Map(); #channels = new Map(); #outbox = [];
  #rooms = new Map(); #lanes = [0, 1, 2].map(() => newLog(null, 0)); #sources = new Map(); #handlers = new Map();
  #handled = Promise.resolve(); #asked = 0;

  constructor(url, name, { token, unique = false, codec, onLoss = console.warn, onError = console.error } = {}) {
    Object.assign(this, { url, name, token, unique, codec, onLoss, onError });
    this.instance = `${name}#${crypto.randomUUID().replaceAll("-", "")}`;
  }
  start() { // resolves when the hub has welcomed us, and rejects if it never will
    const beat = () => (Date.now() - this.#heard > 15000 ? this.#lost(this.#socket) : this.#write(Op.BEAT));
    this.#timer = setInterval(beat, 1000);
    return this.#connect(), this.#wait("welcome");
  }
  join(room, handler) { // handler(message) is called for each in turn; what it returns is the reply to a request
    this.#handlers.set(room, handler);
    const header = [(this.#asked += 1), "join", [room, "reliable", false, null, null, null, false]];
    return this.#write(Op.ASK, header), this.#wait(header[0], { header, room });
  }
  send(room, data, { to = null, lane = 0, kind = Kind.MESSAGE, type, root, parent } = {}) { // returns the message's id
    if (this.#error) throw this.#error;
    type ??= typeof data === "string" ? "DATA/TEXT" : "DATA/CUSTOM";
    const [payload, aligned] = batchOfOne(this.codec, type, kind, data, root, parent);
    if (payload.length > this.#limit) throw new Error(`${payload.length} bytes, and the hub takes ${this.#limit}`);
    const where = [to === null ? room : null, to, lane], key = JSON.stringify(where);
    const channel = this.#channels.get(key) ?? { number: this.#channels.size, where, last: 0, done: 0 };
    if (!channel.last) this.#channels.set(key, channel), this.#write(Op.OPEN, [channel.number, ...where]);
    const flags = (kind === Kind.REQUEST && Flag.REQUEST | Flag.NOW) | aligned;
    this.#outbox.push({ channel, header: [channel.number, (channel.last += 1), 1, flags, room], payload, sent: false });
    this.#pump();
    return `${this.instance}/${channel.number}/${channel.last}`;
  }
  request(room, data, { timeout = 60, ...options } = {}) { // resolves with the first reply; fails if nobody is there
    const id = this.send(room, data, { ...options, kind: Kind.REQUEST });
    return this.#wait(id, { timer: setTimeout(() => this.#end(id, `no reply in '${room}'`), timeout * 1000) });
  }
  async flush() { // returns when the hub has everything
    while (this.#outbox.length && !this.#error) await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.#error) throw this.#error;
  }
  async close() {
    await this.flush().finally(() => this.#write(Op.BYE));
    this.#fail("this component is closed");
  }
  #connect() {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const socket = (this.#socket = new WebSocket(this.url, { protocols: ["swergio"], headers }));
    [socket.binaryType, this.#heard] = ["arraybuffer", Date.now()];
    socket.onopen = () => {
      const channels = [...this.#channels.values()].map(({ number, where, done }) => [number, ...where, done]);
      const rooms = [...this.#rooms].map(([room, log]) => [room, "reliable", false, null, log.next, []]);
      const state = encode([channels, rooms, this.#lanes.map((log) => log.next), []]);
      this.#write(Op.HELLO, [1, this.name, this.instance, this.#secret, this.unique, this.#epoch, {}], state);
      socket.onclose = () => this.#lost(socket);
    };
    socket.onclose = async () => { // it does not tell why it was refused; an ordinary request to the same URL does
      const answer = await fetch(this.url.replace(/^ws/, "http"), { headers }).catch(() => null);
      if (answer?.status === 401) this.#fail(`${this.url} does not accept this token, or needs one`);
      this.#lost(socket);
    };
    socket.onmessage = ({ data }) => {
      this.#heard = Date.now();
      try {
        for (const each of frames(Buffer.from(data))) if (socket === this.#socket) this.#take(...each);
      } catch (error) {
        this.onError(error), this.#lost(socket);
      }
    };
  }
  #lost(socket) {
    if (!socket || socket !== this.#socket) return;
    [this.#socket, this.#welcomed] = [null, false], socket.close();
    if (!this.#error) setTimeout(() => this.#connect(), Math.random() * 1000);
  }
  #fail(reason) { // for good
    this.#error ??= new Error(reason);
    clearInterval(this.#timer);
    for (const key of [...this.#waiting.keys()]) this.#end(key, reason);
    this.#socket?.close();
  }
  // What cannot be written now is said again when the hub has welcomed us.
  #write = (op, header, payload) => this.#socket?.readyState === 1 && this.#socket.send(frame(op, header, payload));
  #pump() { // of each channel, no more than a window is under way
    const under = new Map();
    for (const entry of this.#welcomed ? this.#outbox : []) {
      const cost = under.get(entry.channel) ?? 0;
      if (!entry.sent && cost < this.#window) this.#write(Op.PUBLISH, entry.header, entry.payload), (entry.sent = true);
      under.set(entry.channel, cost + entry.payload.length + 64);
    }
  }
  #wait = (key, more) => new Promise((resolve, reject) => this.#waiting.set(key, { resolve, reject, ...more }));
  #end(key, error, value) {
    const { resolve, reject, timer } = this.#waiting.get(key) ?? {};
    clearTimeout(timer);
    this.#waiting.delete(key);
    if (resolve) error === null ? resolve(value) : reject(new Error(error));
  }
  #take(op, header, payload) {
    const [first, second, count, reason] = header;
    if (op === Op.WELCOME) this.#welcome(header, decode(payload));
    else if (op === Op.REFUSE && first !== "busy") this.#fail(`refused by the hub (${first}): ${second}`);
    else if (op === Op.ACKNOWLEDGE) this.#acknowledged(first, second, payload.length ? decode(payload) : undefined);
    else if (op === Op.ANSWER) {
      if (second === null) this.#rooms.set(this.#waiting.get(first).room, newLog(...decode(payload)));
      this.#end(first, second);
    }
    else if ([Op.DELIVER, Op.COVER, Op.MARK].includes(op)) this.#read(op, header, payload);
    else if (op === Op.UNDELIVERED)
      for (let n = second; n < second + count; n++) this.#end(`${this.instance}/${first}/${n}`, reason);
    else if (op < 128 && !Object.values(Op).includes(op)) throw new Error(`the hub sent op ${op}`);
  }
  #welcome([version, epoch, window, limit], [channels, lanes, rooms]) {
    if (version !== 1) return this.#fail(`the hub speaks version ${version} of the protocol`);
    const at = (log, number, next) => (epoch === this.#epoch && number === log.number ? log : newLog(number, next));
    this.#lanes = lanes.map(([number, offset], lane) => at(this.#lanes[lane], number, offset));
    for (const [room, number, offset] of rooms) this.#rooms.set(room, at(this.#rooms.get(room), number, offset));
    [this.#epoch, this.#window, this.#limit, this.#welcomed] = [epoch, window, limit - 1024, true];
    for (const log of [...this.#lanes, ...this.#rooms.values()]) this.#write(Op.CONSUMED, [log.number, log.done]);
    for (const { header } of this.#waiting.values()) if (header) this.#write(Op.ASK, header);
    this.#outbox.forEach((entry) => (entry.sent = false));
    for (const [channel, last] of channels) this.#acknowledged(channel, last);
    this.#end("welcome", null);
  }
  #acknowledged(number, last, [channels, numbers] = [[]]) {
    for (const channel of this.#channels.values()) if (channel.number === number) channel.done = last;
    this.#outbox = this.#outbox.filter(({ channel, header }) => channel.number !== number || header[1] > last);
    channels.forEach((channel, n) => this.#acknowledged(channel, numbers[n]));
    this.#pump();
  }
  #log = (number) => [...this.#lanes, ...this.#rooms.values()].find((log) => log.number === number);
  #read(op, [number, offset, ...header], payload) {
    const log = this.#log(number), end = offset + { [Op.COVER]: 0, [Op.MARK]: 1, [Op.DELIVER]: header[0] }[op];
    if (!log || end <= log.next) return; // known
    if (offset !== log.next && op !== Op.COVER) throw new Error(`offset ${offset} came where ${log.next} was due`);
    log.next = end;
    log.tail = Promise.all([log.tail, op === Op.DELIVER && this.#deliver(header, payload)]).then(() => {
      log.done = end;
      if (this.#log(number) === log) this.#write(Op.CONSUMED, [number, end]);
    });
  }
  #deliver([count, sender, channel, after, first, room, to, attempt], payload) {
    const source = `${sender}/${channel}`, known = this.#sources.get(source) ?? after;
    if (first <= known) return null; // sent again, to another hub
    if (after > known) this.onLoss(`${after - known} messages of ${sender} in '${room}' are lost`);
    this.#sources.set(source, first + count - 1);
    const numbered = (message, index) => ({ ...message, id: `${source}/${first + index}`, sender, room, to, attempt });
    const batch = messages(this.codec, payload).map(numbered), { kind } = batch[0];
    if (kind !== Kind.REPLY && kind !== Kind.FAILED_REPLY)
      return (this.#handled = this.#handled.then(() => this.#handle(batch, this.#handlers.get(room))));
    for (const { parent, data } of batch) this.#end(parent, kind === Kind.REPLY ? null : data, data);
  }
  async #handle(batch, handler) {
    for (const message of handler ? batch : []) {
      const { kind, room, sender: to, type, id: parent, root } = message, lane = 2;
      const [{ reason, value }] = await Promise.allSettled([Promise.resolve(message).then(handler)]);
      if (reason) this.onError(reason);
      const answer = { to, lane, type, root: root ?? parent, parent, kind: reason ? Kind.FAILED_REPLY : Kind.REPLY };
      if (kind === Kind.REQUEST && !this.#error) this.send(room, reason ? String(reason) : value, answer);
    }
  }
}
