//! Borders of 64 bytes at a time: a bit for each byte that may be parted from the one before it.
//!
//! Three kernels do the same: plain Rust, AVX2, and AVX-512 with byte permutations. Which one runs is
//! up to the processor; a test holds each against the plain one.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::borders::Borders;

/// A byte and the 64 that follow it.
pub(super) const WINDOW: usize = 65;

/// Sets the bits of `masks`: of the first one those of bytes 1 to 64, each for the border before it,
/// and so on. The text has one byte more than there are bits.
#[inline]
pub(super) fn find(borders: &Borders, text: &[u8], masks: &mut [u64]) {
    debug_assert!(text.len() > masks.len() * 64, "a byte before each, and the bytes");
    #[cfg(target_arch = "x86_64")]
    if x86::find(borders, text, masks) {
        return;
    }
    plain(borders, text, masks);
}

/// The twin of the others.
fn plain(borders: &Borders, text: &[u8], masks: &mut [u64]) {
    for (block, mask) in masks.iter_mut().enumerate() {
        let window = text.get(block * 64..).and_then(|rest| rest.first_chunk::<WINDOW>());
        let Some(window) = window else { return };
        *mask = 0;
        let mut left = borders.left[usize::from(window[0])];
        for (bit, &byte) in window[1..].iter().enumerate() {
            let right = borders.right[usize::from(byte)];
            *mask |= u64::from(left & right != 0) << bit;
            left = borders.left[usize::from(byte)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables as they may be: no left bits from 0xC0 on, no right ones for what continues a character.
    fn random(seed: &mut u64) -> Borders {
        let mut next = || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few bits each, so that about half of all pairs may be parted.
            u8::try_from((*seed >> 33 & *seed >> 41) & 0xFF).unwrap()
        };
        let left = std::array::from_fn(|byte| if byte < 0xC0 { next() } else { 0 });
        let right =
            std::array::from_fn(|byte| if (0x80..0xC0).contains(&byte) { 0 } else { next() });
        Borders { left, right }
    }

    #[test]
    fn every_kernel_finds_what_the_plain_one_finds() {
        let mut seed = 7;
        for round in 0..60 {
            let borders = random(&mut seed);
            // All pairs of bytes, then others.
            let mut text: Vec<u8> = if round == 0 {
                (0..=255u8).flat_map(|a| (0..=255u8).flat_map(move |b| [a, b])).collect()
            } else {
                (0..64 * (round % 7 + 1)).map(|_| random(&mut seed).left[65]).collect()
            };
            text.push(b'a');
            let blocks = text.len() / 64;
            let (mut found, mut wanted) = (vec![u64::MAX; blocks], vec![0; blocks]);
            plain(&borders, &text, &mut wanted);
            for (at, pair) in text.windows(2).take(blocks * 64).enumerate() {
                assert_eq!(wanted[at / 64] >> (at % 64) & 1 == 1, borders.part(pair[0], pair[1]));
            }
            find(&borders, &text, &mut found);
            assert_eq!(found, wanted);
            #[cfg(target_arch = "x86_64")]
            for kernel in x86::available() {
                found.fill(u64::MAX);
                kernel(&borders, &text, &mut found);
                assert_eq!(found, wanted);
            }
        }
    }
}
