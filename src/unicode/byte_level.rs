//! The byte alphabet of byte-level models: every byte has a printable character that stands for it.
//!
//! Printable Latin-1 bytes stand for themselves, the other 68 for U+0100 and up, in byte order; a
//! space is `Ġ` (U+0120). Defined by GPT-2's `bytes_to_unicode`.

/// The bytes that stand for themselves.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const fn forward() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut byte = 0;
    let mut moved = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
        if is_plain(byte as u8) {
            table[byte] = byte as u8 as char;
        } else if let Some(c) = char::from_u32(0x100 + moved) {
            table[byte] = c;
            moved += 1;
        }
        byte += 1;
    }
    table
}

const fn backward() -> [Option<u8>; 0x144] {
    let table = forward();
    let mut back = [None; 0x144];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
        {
            back[table[byte] as usize] = Some(byte as u8);
        }
        byte += 1;
    }
    back
}

/// The character that stands for each byte.
pub(crate) static BYTE_TO_CHAR: [char; 256] = forward();
static CHAR_TO_BYTE: [Option<u8>; 0x144] = backward();

/// The byte that `c` stands for.
#[inline]
pub(crate) fn char_to_byte(c: char) -> Option<u8> {
    CHAR_TO_BYTE.get(c as usize).copied().flatten()
}

/// `bytes`, spelled in the byte alphabet.
pub(crate) fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTE_TO_CHAR[byte as usize]).collect()
}

/// No byte.
const NONE: u16 = 0x100;

/// [`CHAR_TO_BYTE`] for all characters of one and two bytes, without a branch.
const fn backward_wide() -> [u16; 0x800] {
    let (table, mut wide) = (forward(), [NONE; 0x800]);
    let mut byte = 0;
    while byte < 256 {
        wide[table[byte as usize] as usize] = byte;
        byte += 1;
    }
    wide
}

static WIDE_TO_BYTE: [u16; 0x800] = backward_wide();

/// Appends the bytes that `token` spells; nothing when a character of it stands for no byte.
pub(crate) fn unspell_into(token: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(token.len());
    let mut bytes = token.bytes();
    while let Some(first) = bytes.next() {
        let code = match first {
            0..0x80 => usize::from(first),
            // What follows the first byte of two is the second.
            0x80..0xE0 => {
                usize::from(first & 0x1F) << 6 | usize::from(bytes.next().unwrap_or(0) & 0x3F)
            }
            // A character of three bytes or four is none of the alphabet, and nor is NUL.
            _ => 0,
        };
        let Ok(byte) = u8::try_from(WIDE_TO_BYTE[code]) else {
            out.truncate(start);
            return false;
        };
        out.push(byte);
    }
    true
}

/// The bytes that `token` spells; none when a character of it stands for no byte.
pub(crate) fn unspell(token: &str) -> Option<Vec<u8>> {
    token.chars().map(char_to_byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        for byte in 0..=255u8 {
            assert_eq!(char_to_byte(BYTE_TO_CHAR[byte as usize]), Some(byte));
        }
        assert_eq!(BYTE_TO_CHAR[b' ' as usize], 'Ġ');
        assert_eq!(BYTE_TO_CHAR[b'\n' as usize], 'Ċ');
        assert_eq!(BYTE_TO_CHAR[0xAD], 'Ń');
        assert_eq!(char_to_byte(' '), None);
        assert_eq!(char_to_byte('한'), None);
        assert_eq!(unspell(&spell("é 한".as_bytes())).unwrap(), "é 한".as_bytes());
        let mut out = vec![7];
        for c in '\0'..=char::MAX {
            let spells = unspell_into(&format!("a{c}"), &mut out);
            assert_eq!(spells.then(|| out[2]), char_to_byte(c));
            out.truncate(1);
        }
    }
}
