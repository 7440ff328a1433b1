//! The double-array trie of a character map, as the darts-clone library writes it.
//!
//! A map is the size of the trie in bytes (32 bits, little-endian), the trie, and texts that end in a
//! zero byte each. A state is an index; the byte `b` leads from state `s` to unit `s ^ b`, if that unit
//! is labelled `b`. The unit's offset leads on to the next state, whose own unit holds, if the flag says
//! so, where the text begins that takes the key's place.
//!
//! Nothing in a map is believed: an index outside of it is an error when a text leads there, as it
//! ends the reference library then. A search makes one step a byte, so no cycle can catch it.

use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Trie {
    units: Vec<u32>,
    texts: String,
    root: usize,
}

const FORMAT: &str = "precompiled_charsmap";

/// The index that a unit adds to its own.
fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}

impl Trie {
    pub(super) fn new(map: &[u8]) -> Result<Self> {
        let problem = |text: String| Error::format(FORMAT, "", text);
        let Some((&size, rest)) = map.split_first_chunk() else {
            return Err(problem(format!("it has {} bytes, and not even a size", map.len())));
        };
        // What is left of a size that is no multiple of four belongs to the texts.
        let size = u32::from_le_bytes(size) as usize / 4 * 4;
        let Some((units, texts)) = rest.split_at_checked(size) else {
            let text = format!("its trie should have {size} bytes, but {} follow", rest.len());
            return Err(problem(text));
        };
        let (units, _) = units.as_chunks();
        let units: Vec<u32> = units.iter().map(|&unit| u32::from_le_bytes(unit)).collect();
        let texts = std::str::from_utf8(texts).map_err(|error| {
            let place = format!("byte {}", 4 + size + error.valid_up_to());
            Error::format(FORMAT, place, "the texts are not UTF-8")
        })?;
        let Some(&root) = units.first() else {
            return Err(problem("its trie is empty".to_owned()));
        };
        Ok(Self { units, texts: texts.to_owned(), root: offset(root) })
    }

    fn unit(&self, at: usize) -> Result<u32> {
        self.units.get(at).copied().ok_or_else(|| {
            let size = self.units.len();
            Error::format(FORMAT, "", format!("a rule leads to unit {at} of {size}"))
        })
    }

    /// What takes the place of the shortest text of the map that `key` starts with.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<&str>> {
        let mut state = self.root;
        for &byte in key {
            if byte == 0 {
                break;
            }
            state ^= usize::from(byte);
            let unit = self.unit(state)?;
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            state ^= offset(unit);
            if unit >> 8 & 1 == 1 {
                let start = (self.unit(state)? & !(1 << 31)) as usize;
                return self.text(start).map(Some);
            }
        }
        Ok(None)
    }

    fn text(&self, start: usize) -> Result<&str> {
        let Some(rest) = self.texts.get(start..) else {
            let size = self.texts.len();
            let text =
                format!("a rule's text starts at byte {start} of {size}, or inside a character");
            return Err(Error::format(FORMAT, "", text));
        };
        let end = memchr::memchr(0, rest.as_bytes()).unwrap_or(rest.len());
        Ok(&rest[..end])
    }
}
