//! A cheap 64-bit hash for the rolling chain, the digest and the checksum of snapshot parts.
//!
//! Words of 8 bytes go in one by one: xor into the state, multiply by an odd constant to 128 bits, xor the halves
//! (the "folded multiply" of wyhash). A word costs one multiplication, which matters because every write is hashed.
//! It tells accidents apart, not forgeries. `std`'s hashers are no choice: `SipHash` is several times slower, and its
//! output is not promised to stay the same from one release to the next, while ours is written to disks.

/// An odd constant with about as many ones as zeros: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The running state. Equal inputs in equal order and grouping give equal states, on every platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hash {
    /// An empty hash. Different `domain`s keep hashes of different things apart.
    pub(crate) const fn new(domain: u64) -> Self {
        Self(domain ^ MULTIPLIER)
    }

    /// Goes on from what [`Hash::value`] gave.
    pub(crate) const fn resume(value: u64) -> Self {
        Self(value)
    }

    /// The state as a number.
    pub(crate) const fn value(self) -> u64 {
        self.0
    }

    /// Takes in one word.
    #[inline]
    pub(crate) fn word(self, word: u64) -> Self {
        let (low, high) = (self.0 ^ word).carrying_mul(MULTIPLIER, 0);
        Self(low ^ high)
    }

    /// Takes in a byte string, its length first, so that neighbours cannot trade bytes.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self.word(bytes.len() as u64);
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            hash = hash.word(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let mut word = [0; 8];
            word[..tail.len()].copy_from_slice(tail);
            hash = hash.word(u64::from_le_bytes(word));
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_counts() {
        let bytes: Vec<u8> = (0..61).collect();
        let whole = Hash::new(1).bytes(&bytes).value();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Hash::new(1).bytes(&flipped).value(), whole, "bit {bit}");
        }
    }

    #[test]
    fn neighbours_cannot_trade_bytes() {
        let one = Hash::new(0).bytes(b"ab").bytes(b"c");
        let other = Hash::new(0).bytes(b"a").bytes(b"bc");
        assert_ne!(one, other);
    }

    /// The value is written to disks: a change of the function is a change of the format.
    #[test]
    fn the_function_is_frozen() {
        assert_eq!(Hash::new(0).bytes(b"whitewater").word(7).value(), 0xd50f_47f8_1eb2_5d06);
    }
}
