// Arrays in the bodies of messages: give `arrays` to a Component as its `codec`. An array is a typed array with a `shape`;
// a Uint8Array without one is bytes. What JavaScript has no type for comes as { dtype, shape, bytes }.
import { decode, encode, ExtensionCodec } from "@msgpack/msgpack";

const DTYPES = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array, float32: Float32Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, float64: Float64Array,
};

export const arrays = new ExtensionCodec();
arrays.register({
  type: 1,
  encode(value, segments) {
    const dtype = Object.keys(DTYPES).find((name) => DTYPES[name] === value.constructor);
    if (!dtype || (dtype === "uint8" && !value.shape)) return null;
    segments.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice());
    return encode([dtype, value.shape ?? [value.length]]);
  },
  decode(description, _, segments) {
    const [dtype, shape] = decode(description), bytes = Uint8Array.from(segments.shift());
    if (!(dtype in DTYPES)) return { dtype, shape, bytes };
    const array = new DTYPES[dtype](bytes.buffer);
    return shape === null ? array[0] : Object.assign(array, { shape });
  },
});
