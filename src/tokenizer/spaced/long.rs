//! A cache of what does not fit into a [`PieceCache`](crate::model::pieces::PieceCache): pieces of up to
//! 31 bytes, and up to eight ids.
//!
//! A word of fifteen Cyrillic letters has 31 bytes with its space. A slot is 64 bytes, one cache line: the
//! piece with its length in the last byte of the first half, the ids in the other. The whole key is
//! compared, so a hash never decides; when all slots are taken the oldest is replaced.

/// The longest piece that is kept, in bytes.
pub(super) const MAX_LONG: usize = 31;
/// The most ids that are kept.
const MAX_IDS: usize = 8;
/// Stands in the places of a slot that hold no id.
const NO_ID: u32 = u32::MAX;
/// Slots: 1 MiB.
const SLOTS: usize = 1 << 14;
/// Places where the number of a slot may stand.
const PLACES: usize = 2 * SLOTS;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Slot {
    key: [u64; 4],
    ids: [u32; MAX_IDS],
}

/// Longer pieces and their ids. It takes no memory before the first piece is put into it, and then as
/// much as there are pieces: what a short text leaves lies in few pages.
#[derive(Debug, Default)]
pub(in crate::tokenizer) struct LongCache {
    /// By hash, the number of a slot, plus one; 0 for none.
    index: Vec<u16>,
    slots: Vec<Slot>,
    /// The slot that is the next to be replaced.
    oldest: usize,
}

/// A piece with its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongKey([u64; 4]);

impl LongKey {
    /// The key of `text[start..end]`; none when it has no byte or more than [`MAX_LONG`].
    #[inline]
    pub(super) fn new(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let piece = text.get(start..end)?;
        if piece.len().wrapping_sub(1) >= MAX_LONG {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..piece.len()].copy_from_slice(piece);
        bytes[31] = u8::try_from(piece.len()).unwrap_or_default();
        let words = bytes.as_chunks::<8>().0;
        Some(Self(std::array::from_fn(|at| u64::from_le_bytes(words[at]))))
    }

    #[inline]
    fn place(self) -> usize {
        let [a, b, c, d] = self.0;
        // Two multiplications of two halves, folded; the constants are digits of pi.
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default()
                ^ u64::try_from(product >> 64).unwrap_or_default()
        };
        let low = fold(a ^ 0x243F_6A88_85A3_08D3, b ^ 0x1319_8A2E_0370_7344);
        let high = fold(c ^ 0xA409_3822_299F_31D0, d ^ 0x082E_FA98_EC4E_6C89);
        let hash = low ^ high.rotate_left(23);
        usize::try_from(hash % PLACES as u64).unwrap_or_default()
    }
}

impl LongCache {
    /// Appends the ids of a piece, if it is there.
    #[inline]
    pub(super) fn push(&self, key: LongKey, out: &mut Vec<u32>) -> bool {
        let number = self.index.get(key.place()).map_or(0, |&number| usize::from(number));
        // Number 0 wraps to a slot that is not there.
        let Some(slot) = self.slots.get(number.wrapping_sub(1)) else { return false };
        if slot.key != key.0 {
            return false;
        }
        let count = slot.ids.iter().take_while(|&&id| id != NO_ID).count();
        out.extend_from_slice(&slot.ids[..count]);
        true
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    pub(super) fn put(&mut self, key: LongKey, ids: &[u32]) {
        if ids.is_empty() || ids.len() > MAX_IDS {
            return;
        }
        let mut slot = Slot { key: key.0, ids: [NO_ID; MAX_IDS] };
        slot.ids[..ids.len()].copy_from_slice(ids);
        if self.index.is_empty() {
            self.index = vec![0; PLACES];
            self.slots.reserve_exact(SLOTS);
        }
        let number = if self.slots.len() < SLOTS {
            self.slots.push(slot);
            self.slots.len()
        } else {
            // What the index still says of the old piece is found out by its key.
            self.slots[self.oldest] = slot;
            self.oldest = (self.oldest + 1) % SLOTS;
            if self.oldest == 0 { SLOTS } else { self.oldest }
        };
        if let (Some(place), Ok(number)) = (self.index.get_mut(key.place()), u16::try_from(number))
        {
            *place = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_was_put_or_nothing() {
        let mut cache = LongCache::default();
        let mut out = Vec::new();
        let key = |text: &str| LongKey::new(text.as_bytes(), 0, text.len()).unwrap();
        for n in 0..60_000u32 {
            let word = format!("{n} a rather long word");
            assert!(!cache.push(key(&word), &mut out));
            cache.put(key(&word), &[n; 7][..n as usize % 7 + 1]);
            assert!(cache.push(key(&word), &mut out));
            assert_eq!(out, vec![n; n as usize % 7 + 1]);
            out.clear();
        }
        let kept = (0..60_000u32).filter(|n| {
            let found = cache.push(key(&format!("{n} a rather long word")), &mut out);
            assert!(!found || out.iter().all(|id| id == n));
            out.clear();
            found
        });
        assert!(kept.count() > 10_000);
        assert_eq!(cache.slots.len(), SLOTS);
        cache.put(key("none"), &[]);
        cache.put(key("many"), &[1; 9]);
        assert!(!cache.push(key("none"), &mut out) && !cache.push(key("many"), &mut out));
    }

    #[test]
    fn keys_tell_length_and_content() {
        let text = [0u8; 40];
        assert!(LongKey::new(&text, 3, 3).is_none() && LongKey::new(&text, 0, 32).is_none());
        let keys: Vec<_> = (1..=31).map(|end| LongKey::new(&text, 0, end).unwrap().0).collect();
        assert!((0..31).all(|at| !keys[at + 1..].contains(&keys[at])));
        assert!(LongKey::new(&text, 30, 41).is_none());
    }
}
