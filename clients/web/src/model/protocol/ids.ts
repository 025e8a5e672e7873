// Ids of commands: UUIDs in time order, from a time and random bytes that are given.

/** A UUIDv7 (RFC 9562 §5.7) from Unix milliseconds and ten random bytes. */
export function uuid7(milliseconds: number, entropy: Uint8Array): string {
  if (entropy.length !== 10) throw new RangeError("uuid7 needs 10 random bytes");
  const time = milliseconds.toString(16).padStart(12, "0");
  const bytes = [...entropy];
  bytes[0] = (bytes[0]! & 0x0f) | 0x70;
  bytes[2] = (bytes[2]! & 0x3f) | 0x80;
  const random = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const digits = time + random;
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join("-");
}
