//! XXH64: what a file held, in 64 bits that `xxhsum -H64` computes as well.
//!
//! A digest tells files apart that changed or were counted twice. It is no protection against somebody
//! who wants two files to look the same.

// The algorithm is specified at github.com/Cyan4973/xxHash, doc/xxhash_spec.md. Reading and counting take
// 100 times as long as this.

const PRIMES: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// Bytes that are mixed at a time.
const STRIPE: usize = 32;

/// A digest of bytes that come in parts.
#[derive(Clone, Debug)]
pub(crate) struct Xxh64 {
    lanes: [u64; 4],
    /// What does not fill a stripe yet.
    rest: Vec<u8>,
    length: u64,
}

impl Xxh64 {
    pub(crate) fn new() -> Self {
        let [one, two, ..] = PRIMES;
        let lanes = [one.wrapping_add(two), two, 0, 0_u64.wrapping_sub(one)];
        Self { lanes, rest: Vec::with_capacity(STRIPE), length: 0 }
    }

    /// Goes on with `bytes`.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.rest.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(STRIPE - self.rest.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < STRIPE {
                return;
            }
            let rest = std::mem::take(&mut self.rest);
            self.stripes(&rest);
        }
        let whole = bytes.len() - bytes.len() % STRIPE;
        self.stripes(&bytes[..whole]);
        self.rest.clear();
        self.rest.extend_from_slice(&bytes[whole..]);
    }

    fn stripes(&mut self, bytes: &[u8]) {
        let mut lanes = self.lanes;
        for stripe in bytes.as_chunks::<STRIPE>().0 {
            for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
        }
        self.lanes = lanes;
    }

    /// The digest of all bytes so far.
    pub(crate) fn finish(&self) -> u64 {
        let [one, two, three, four, five] = PRIMES;
        let mut sum = if self.length < STRIPE as u64 {
            five
        } else {
            let turned = self.lanes.iter().zip([1, 7, 12, 18]);
            let sum = turned.fold(0_u64, |sum, (lane, by)| sum.wrapping_add(lane.rotate_left(by)));
            let mix =
                |sum: u64, &lane: &u64| (sum ^ round(0, lane)).wrapping_mul(one).wrapping_add(four);
            self.lanes.iter().fold(sum, mix)
        };
        sum = sum.wrapping_add(self.length);
        let (words, rest) = self.rest.as_chunks::<8>();
        for word in words {
            sum ^= round(0, u64::from_le_bytes(*word));
            sum = sum.rotate_left(27).wrapping_mul(one).wrapping_add(four);
        }
        let (halves, rest) = rest.as_chunks::<4>();
        for half in halves {
            sum ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(one);
            sum = sum.rotate_left(23).wrapping_mul(two).wrapping_add(three);
        }
        for &byte in rest {
            sum ^= u64::from(byte).wrapping_mul(five);
            sum = sum.rotate_left(11).wrapping_mul(one);
        }
        sum = (sum ^ (sum >> 33)).wrapping_mul(two);
        sum = (sum ^ (sum >> 29)).wrapping_mul(three);
        sum ^ (sum >> 32)
    }

    /// The digest as manifests show it.
    pub(crate) fn shown(&self) -> String {
        format!("xxh64:{:016x}", self.finish())
    }
}

#[inline]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIMES[1])).rotate_left(31).wrapping_mul(PRIMES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        let mut digest = Xxh64::new();
        digest.update(bytes);
        digest.finish()
    }

    #[test]
    fn digests_are_those_that_others_compute() {
        for (text, want) in [
            ("", 0xEF46_DB37_51D8_E999),
            ("a", 0xD24E_C4F1_A98C_6E5B),
            ("abc", 0x44BC_2CF5_AD77_0999),
            ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
        ] {
            assert_eq!(of(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn parts_of_any_length_give_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for step in [1, 3, 31, 32, 33, 64, 999] {
            let mut digest = Xxh64::new();
            bytes.chunks(step).for_each(|part| digest.update(part));
            assert_eq!(digest.finish(), of(&bytes), "{step}");
        }
        assert_eq!(Xxh64::new().shown(), "xxh64:ef46db3751d8e999");
    }
}
