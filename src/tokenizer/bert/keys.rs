//! Short stretches as integers.

use super::tiers::Key;

/// The low bytes of a word.
pub(super) const MASKS: [u64; 9] = [
    0,
    0xFF,
    0xFFFF,
    0xFF_FFFF,
    0xFFFF_FFFF,
    0xFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF,
    0xFF_FFFF_FFFF_FFFF,
    u64::MAX,
];

/// `text[start..end]`, shorter than the key, with zeros behind it and its length in the last byte.
#[inline]
pub(super) fn padded<const KEY: usize>(text: &[u8], start: usize, end: usize) -> Key<KEY> {
    let length = end - start;
    debug_assert!(length < 8 * KEY && end <= text.len());
    let mut key = match text.get(start..start + 8 * KEY) {
        Some(window) => {
            let mut words = [0; KEY];
            for at in 0..KEY {
                words[at] =
                    window[8 * at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            }
            words
        }
        None => std::array::from_fn(|at| word(text, start + 8 * at)),
    };
    for at in 0..KEY {
        key[at] &= MASKS[length.saturating_sub(8 * at).min(8)];
    }
    key[KEY - 1] |= (length as u64) << 56;
    key
}

/// The eight bytes at `at`, with zeros behind the end of the text.
fn word(text: &[u8], at: usize) -> u64 {
    if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*bytes);
    }
    let missing = at + 8 - text.len();
    match text.last_chunk() {
        _ if missing >= 8 => 0,
        Some(bytes) => u64::from_le_bytes(*bytes) >> (8 * missing),
        None => text.iter().skip(at).rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const KEY: usize>(text: &[u8]) {
        for start in 0..text.len() {
            for end in start + 1..=text.len().min(start + 8 * KEY - 1) {
                let mut bytes = vec![0; 8 * KEY];
                bytes[..end - start].copy_from_slice(&text[start..end]);
                bytes[8 * KEY - 1] = u8::try_from(end - start).unwrap();
                let key = padded::<KEY>(text, start, end);
                let found: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(found, bytes);
            }
        }
    }

    #[test]
    fn the_same_bytes_wherever_they_stand() {
        for length in 0..90 {
            let text: Vec<u8> = (1..=length).collect();
            check::<2>(&text);
            check::<4>(&text);
            check::<8>(&text);
        }
    }
}
