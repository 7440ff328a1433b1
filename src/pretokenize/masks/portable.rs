//! Classification with 64-bit arithmetic alone, for every processor.

use super::{ASCII, Ascii, Classify, WINDOW, is_caseless_lead};

/// Eight bytes at a time.
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct Portable;

/// A byte that continues a character has no class and these marks.
const TAIL: u8 = 1;
const CASELESS: u8 = 2;

/// What a byte beyond ASCII is.
const HIGH: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0x80u8;
    loop {
        table[(byte - 0x80) as usize] = match byte {
            0x80..=0xBF => TAIL,
            _ if is_caseless_lead(byte) => CASELESS,
            _ => 0,
        };
        if byte == 0xFF {
            break;
        }
        byte += 1;
    }
    table
};

impl Classify for Portable {
    #[inline]
    fn classify(self, bytes: &[u8; WINDOW]) -> Ascii {
        let mut ascii = Ascii::default();
        for (group, chunk) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let shift = group * 8;
            let word = u64::from_le_bytes(*chunk);
            let codes = chunk.map(|byte| if byte < 128 { ASCII[byte as usize] } else { 0 });
            let planes = transpose(u64::from_le_bytes(codes)).to_le_bytes();
            for (mask, plane) in ascii.classes.iter_mut().zip(planes) {
                *mask |= u64::from(plane) << shift;
            }
            if word & 0x8080_8080_8080_8080 != 0 {
                for (at, &byte) in chunk.iter().enumerate() {
                    let bit = 1 << (shift + at);
                    if byte >= 0x80 {
                        let kind = HIGH[(byte - 0x80) as usize];
                        ascii.high |= bit;
                        ascii.tails |= if kind == TAIL { bit } else { 0 };
                        ascii.caseless |= if kind == CASELESS { bit } else { 0 };
                    }
                }
            }
        }
        ascii
    }
}

/// Turns eight bytes of eight bits around: bit `i` of byte `k` becomes bit `k` of byte `i`
/// (Warren, Hacker's Delight, 7-3).
#[inline]
const fn transpose(mut x: u64) -> u64 {
    let mut t = (x ^ (x >> 7)) & 0x00AA_00AA_00AA_00AA;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000_CCCC_0000_CCCC;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x0000_0000_F0F0_F0F0;
    x ^ t ^ (t << 28)
}
