//! What every id adds to a text, where its neighbours do not matter: one slot of 16 bytes for each.

use crate::ids::TokenId;

/// The bytes of one token, and what it is. Most tokens are shorter than a slot, so that one look-up is
/// one line of the processor's cache, and one copy of 16 bytes whatever the length: what is written
/// behind the token is overwritten by the next one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Slot([u8; SLOT]);

const SLOT: usize = 16;
/// Where a slot keeps its tag: the length, and what the token is.
const TAG: usize = SLOT - 1;
/// The longest token that lies in its slot. A tag above it is one of those below.
const INLINE: usize = SLOT - 1;

/// The slot has the place and the length of the bytes.
const LONG: u8 = 0x10;
/// A special token.
const SPECIAL: u8 = 0x20;
/// It stands for a byte: a group of these is text, or is not, as a whole.
const BYTE: u8 = 0x40;
/// No token has this id.
const MISSING: u8 = 0x80;

/// What an id is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) special: bool,
    pub(crate) byte: bool,
}

/// The tokens of all ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    /// The bytes of those that no slot holds.
    long: Vec<u8>,
}

/// What a table says of an id that needs a second look.
pub(crate) enum Found<'a> {
    /// No token has it.
    Missing,
    /// A token.
    Token(Kind, &'a [u8]),
}

impl Table {
    pub(crate) fn with_capacity(ids: usize) -> Self {
        Self { slots: Vec::with_capacity(ids), long: Vec::new() }
    }

    /// The next id has no token.
    pub(crate) fn push_missing(&mut self) {
        let mut slot = [0; SLOT];
        slot[TAG] = MISSING;
        self.slots.push(Slot(slot));
    }

    /// The next id's token; false where there is no room for its bytes.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8], kind: Kind) -> bool {
        let mut slot = [0; SLOT];
        let flags = if kind.special { SPECIAL } else { 0 } | if kind.byte { BYTE } else { 0 };
        // A length of at most 15 fits, whatever the cast.
        let short = u8::try_from(bytes.len()).ok().filter(|&length| usize::from(length) <= INLINE);
        if let Some(length) = short {
            slot[..bytes.len()].copy_from_slice(bytes);
            slot[TAG] = flags | length;
        } else {
            let start = u32::try_from(self.long.len());
            let (Ok(start), Ok(length)) = (start, u32::try_from(bytes.len())) else { return false };
            slot[..4].copy_from_slice(&start.to_ne_bytes());
            slot[4..8].copy_from_slice(&length.to_ne_bytes());
            slot[TAG] = flags | LONG;
            self.long.extend_from_slice(bytes);
        }
        self.slots.push(Slot(slot));
        true
    }

    /// What an id is.
    pub(crate) fn get(&self, id: TokenId) -> Found<'_> {
        let Some(Slot(slot)) = self.slots.get(id as usize) else { return Found::Missing };
        let tag = slot[TAG];
        if tag & MISSING != 0 {
            return Found::Missing;
        }
        let kind = Kind { special: tag & SPECIAL != 0, byte: tag & BYTE != 0 };
        if tag & LONG == 0 {
            return Found::Token(kind, &slot[..usize::from(tag) & INLINE]);
        }
        let number = |at: usize| {
            let bytes = slot.get(at..).and_then(|rest| rest.first_chunk()).copied();
            u32::from_ne_bytes(bytes.unwrap_or_default()) as usize
        };
        let (start, length) = (number(0), number(4));
        Found::Token(kind, self.long.get(start..start + length).unwrap_or_default())
    }
}

/// Ids between two copies out of the buffer.
const BLOCK: usize = 128;

/// Where text is written: through a buffer of a fixed size, so that the room for a copy is a
/// comparison and not a call.
pub(crate) struct Writer {
    buffer: [u8; BLOCK * INLINE + SLOT],
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { buffer: [0; _] }
    }

    /// Appends the tokens of `ids` up to the first that is not plain and short, and says how many
    /// those are.
    #[inline]
    pub(crate) fn plain(&mut self, table: &Table, ids: &[TokenId], out: &mut Vec<u8>) -> usize {
        let mut done = 0;
        for block in ids.chunks(BLOCK) {
            let (mut at, mut taken) = (0, 0);
            for &id in block {
                let Some(Slot(slot)) = table.slots.get(id as usize) else { break };
                let length = usize::from(slot[TAG]);
                let place = self.buffer.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
                let (Some(place), ..=INLINE) = (place, length) else { break };
                *place = *slot;
                at += length;
                taken += 1;
            }
            out.extend_from_slice(self.buffer.get(..at).unwrap_or_default());
            done += taken;
            if taken < block.len() {
                break;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_and_kind_comes_back() {
        let mut table = Table::default();
        let text: Vec<u8> = (0..=255).collect();
        let kinds = [(false, false), (true, false), (false, true), (true, true)];
        for length in 0..40 {
            for (special, byte) in kinds {
                assert!(table.push(&text[..length], Kind { special, byte }));
                table.push_missing();
            }
        }
        let mut id = 0;
        for length in 0..40 {
            for (special, byte) in kinds {
                let Found::Token(kind, bytes) = table.get(id) else { panic!("{id} is missing") };
                assert_eq!((kind, bytes), (Kind { special, byte }, &text[..length]));
                assert!(matches!(table.get(id + 1), Found::Missing));
                id += 2;
            }
        }
        assert!(matches!(table.get(id), Found::Missing));
        assert!(matches!(table.get(TokenId::MAX), Found::Missing));
    }

    proptest! {
        /// Copies of whole slots give what joining the tokens gives, and stop where they have to.
        #[test]
        fn plain_tokens_are_joined(
            tokens in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..20), 0..8), 1..40),
            picks in proptest::collection::vec(0usize..44, 0..700),
        ) {
            let mut table = Table::default();
            for (bytes, kind) in &tokens {
                let pushed = match kind {
                    0 => {
                        table.push_missing();
                        true
                    }
                    1 => table.push(bytes, Kind { special: true, byte: false }),
                    2 => table.push(bytes, Kind { special: false, byte: true }),
                    _ => table.push(bytes, Kind::default()),
                };
                prop_assert!(pushed);
            }
            // Mostly plain ones, so that blocks are filled.
            let plain: Vec<u32> = (0..).zip(&tokens)
                .filter(|(_, (bytes, kind))| *kind > 2 && bytes.len() <= INLINE)
                .map(|(id, _)| id)
                .collect();
            let ids: Vec<u32> = picks.iter().enumerate().map(|(at, &pick)| match plain.get(pick % plain.len().max(1)) {
                Some(&id) if at % 300 != 299 => id,
                _ => u32::try_from(pick).unwrap(),
            }).collect();
            let mut wanted = b"before".to_vec();
            let mut count = 0;
            for &id in &ids {
                if !plain.contains(&id) {
                    break;
                }
                wanted.extend_from_slice(&tokens[id as usize].0);
                count += 1;
            }
            let mut out = b"before".to_vec();
            prop_assert_eq!(Writer::new().plain(&table, &ids, &mut out), count);
            prop_assert_eq!(out, wanted);
        }
    }
}
