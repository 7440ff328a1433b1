//! Tables from short pieces of text to their token ids: one look-up instead of a merge.
//!
//! A slot is 32 bytes: the piece itself, up to 15 bytes with the length in the sixteenth, and up to
//! four ids. The whole key is compared, so a hash never decides; two slots share a line of the
//! processor's cache, so a look-up touches one. A line that is full drops or replaces an entry: no table
//! outgrows its bound, and nobody can make one slow by choosing what goes into it.
//!
//! [`PieceTable`] is built once with a model and shared; [`PieceCache`] belongs to one call at a time
//! and learns. Both are used by every model: what a piece is (a pre-token, a word between spaces) is
//! the caller's business.

mod cache;
mod long;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use cache::CacheStats;
pub(crate) use cache::{PieceCache, Place};
pub(crate) use long::{LongCache, LongKey};

use crate::ids::MAX_ID;
use crate::memory::{LINE, Line, Lines, prefetch};

/// The longest piece that fits into a key, in bytes.
pub(crate) const MAX_KEY: usize = 15;
/// The most ids that fit into a slot.
pub(crate) const MAX_IDS: usize = 4;
/// Stands in the places of a slot that hold no id.
const NO_ID: u32 = u32::MAX;
const _: () = assert!(MAX_ID < 1 << 31);

/// A piece of 1 to 15 bytes with its length, in one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Key(u128);

/// What is added to the four words of a key before they are multiplied: digits of pi.
const SALT: [u32; 4] = [0x243F_6A89, 0x85A3_08D3, 0x1319_8A2F, 0x0370_7345];

const fn masks() -> [u128; MAX_KEY + 1] {
    let mut masks = [0; MAX_KEY + 1];
    let mut length = 0;
    while length <= MAX_KEY {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
}

static MASKS: [u128; MAX_KEY + 1] = masks();

/// For each length what is kept of sixteen bytes, and what is added: the length itself. For more than fits,
/// the key of none.
static LENGTHS: [(u128, u128); MAX_KEY + 2] = {
    let mut lengths = [(0, u128::MAX); MAX_KEY + 2];
    let mut length = 0;
    while length <= MAX_KEY {
        lengths[length] = (MASKS[length], (length as u128) << 120);
        length += 1;
    }
    lengths
};

impl Key {
    /// No piece's key: nothing lies under it.
    pub(crate) const NONE: Self = Self(u128::MAX);

    /// The key of `text[start..end]`; none when it has no byte or more than [`MAX_KEY`].
    #[inline]
    pub(crate) fn new(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end - start;
        if length.wrapping_sub(1) >= MAX_KEY {
            return None;
        }
        // Sixteen bytes are loaded at once where the text has them, the tail byte by byte.
        let bytes = match text[start..].first_chunk::<16>() {
            Some(window) => u128::from_le_bytes(*window) & MASKS[length],
            None => Self::tail(&text[start..end]),
        };
        Some(Self(bytes | (length as u128) << 120))
    }

    /// The key of `text[start..end]`, which is not empty; [`Key::NONE`] for more than [`MAX_KEY`] bytes.
    /// Without a branch on the length.
    #[inline]
    pub(crate) fn or_none(text: &[u8], start: usize, end: usize) -> Self {
        let Some(window) = text.get(start..).and_then(|rest| rest.first_chunk::<16>()) else {
            return Self::new(text, start, end).unwrap_or(Self::NONE);
        };
        let (mask, length) = LENGTHS[end.wrapping_sub(start).min(MAX_KEY + 1)];
        Self(u128::from_le_bytes(*window) & mask | length)
    }

    /// The key in two halves.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves of the key")]
    pub(crate) fn words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    #[cold]
    fn tail(piece: &[u8]) -> u128 {
        let mut bytes = [0; 16];
        bytes[..piece.len()].copy_from_slice(piece);
        u128::from_le_bytes(bytes)
    }

    /// Whether the piece is ASCII.
    pub(crate) fn is_ascii(self) -> bool {
        self.0 & 0x8080_8080_8080_8080_8080_8080_8080_8080 == 0
    }

    /// The hash that [`PieceTable`] and [`PieceCache`] place it by; computed once for both.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "quarters of the key")]
    pub(crate) fn hash(self) -> u64 {
        // The hash NH of UMAC: two multiplications of words, which vectors have, too. The low bits of
        // products are not even, so the high ones are folded in.
        let word = |at: usize| u64::from(((self.0 >> (32 * at)) as u32).wrapping_add(SALT[at]));
        let sum = (word(0) * word(1)).wrapping_add(word(2) * word(3));
        sum ^ sum >> 32
    }
}

/// One to four ids, padded: two in each word, the first in the low half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids([u64; 2]);

impl Ids {
    /// Nobody's.
    pub(crate) const NONE: Self = Self([u64::MAX; 2]);

    /// None when there are no ids or more than [`MAX_IDS`].
    pub(crate) fn new(ids: &[u32]) -> Option<Self> {
        if ids.is_empty() || ids.len() > MAX_IDS {
            return None;
        }
        let id = |at: usize| u64::from(ids.get(at).copied().unwrap_or(NO_ID));
        Some(Self([id(0) | id(1) << 32, id(2) | id(3) << 32]))
    }

    #[inline]
    fn from_bytes(bytes: [u8; 16]) -> Self {
        let (words, _) = bytes.as_chunks();
        Self([u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])])
    }

    /// Whether they are nobody's.
    #[inline]
    fn is_none(self) -> bool {
        self.0[0] == u64::MAX
    }

    /// How many they are. Ids have 31 bits, so the highest one tells what is none.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most four")]
    fn count(self) -> usize {
        let [low, high] = self.0;
        MAX_IDS - ((low >> 63) + (high >> 63) + (high >> 31 & 1)) as usize
    }

    /// Four ids, of which the first few are there.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    fn four(self) -> [u32; MAX_IDS] {
        let [low, high] = self.0;
        [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
    }

    /// Appends the ids to `out`.
    #[inline]
    pub(crate) fn push_to(self, out: &mut Vec<u32>) {
        // Four stores at once and a shorter length cost less than a copy of variable length.
        let length = out.len() + self.count();
        out.extend_from_slice(&self.four());
        out.truncate(length);
    }

    /// Writes the ids of many pieces, one after the other, and returns their number; `room` must have
    /// four places for each piece.
    #[inline]
    pub(crate) fn write_all(all: &[Self], room: &mut [u32]) -> usize {
        debug_assert!(room.len() >= all.len() * MAX_IDS);
        let mut count = 0;
        for ids in all {
            if let Some(places) = room.get_mut(count..count + MAX_IDS) {
                places.copy_from_slice(&ids.four());
                count += ids.count();
            }
        }
        count
    }
}

/// The bytes of a slot: half a line, 16 of the key and 16 of the ids. A free slot is all zeros, so that
/// new tables come zeroed from the system and cost nothing until they are used.
const SLOT: usize = LINE / 2;

/// The two slots of a line.
#[inline]
fn slots(line: &Line) -> [&[u8; SLOT]; 2] {
    const FREE: &[u8; SLOT] = &[0; SLOT];
    [line.first_chunk().unwrap_or(FREE), line.last_chunk().unwrap_or(FREE)]
}

#[inline]
fn key_of(slot: &[u8; SLOT]) -> u128 {
    slot.first_chunk().map_or(0, |key| u128::from_le_bytes(*key))
}

fn filled(key: Key, ids: Ids) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..16].copy_from_slice(&key.0.to_le_bytes());
    slot[16..24].copy_from_slice(&ids.0[0].to_le_bytes());
    slot[24..].copy_from_slice(&ids.0[1].to_le_bytes());
    slot
}

/// The ids under a key in a line and whether it is there; if not, whatever lies there.
#[inline]
fn probe(line: &Line, key: Key) -> (Ids, bool) {
    let (words, _) = line.as_chunks::<8>();
    let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
    let [low, high] = key.words();
    let first = (word(0) ^ low) | (word(1) ^ high) == 0;
    let second = (word(4) ^ low) | (word(5) ^ high) == 0;
    // Which of the two it is nobody could predict: no branch.
    let at = if first { 2 } else { 6 };
    (Ids([word(at), word(at + 1)]), first | second)
}

#[inline]
fn find(line: &Line, key: Key) -> Option<Ids> {
    let (ids, found) = probe(line, key);
    found.then_some(ids)
}

/// The line of `lines` at `place`, which is taken by as many bits as there are lines.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked to the number of lines")]
fn line(lines: &[Line], place: u64) -> &Line {
    const FREE: &Line = &[0; LINE];
    lines.get(place as usize & lines.len().wrapping_sub(1)).unwrap_or(FREE)
}

/// An immutable table, shared by all threads.
#[derive(Clone, Debug)]
pub(crate) struct PieceTable {
    lines: Lines,
    isa: Isa,
}

/// A table, looked into many times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PieceView<'a> {
    lines: &'a [Line],
    isa: Isa,
}

/// What looks pieces up on this processor.
#[derive(Clone, Copy, Debug)]
enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    Portable,
}

impl Isa {
    /// Everything that this processor can do, the quickest first.
    fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = x86::Avx512::detect().map(Self::Avx512);
        #[cfg(not(target_arch = "x86_64"))]
        let fast = None;
        fast.into_iter().chain([Self::Portable])
    }

    /// The quickest.
    fn best() -> Self {
        Self::all().next().unwrap_or(Self::Portable)
    }
}

impl PieceView<'_> {
    /// The keys and hashes of pieces that follow one another, each between two of `bounds`, and asks for
    /// the memory where they lie. There must be room for all.
    #[inline]
    pub(crate) fn find_keys(
        self,
        text: &[u8],
        bounds: &[u32],
        keys: &mut [Key],
        hashes: &mut [u64],
    ) {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(isa) => isa.find_keys(self, text, bounds, keys, hashes),
            Isa::Portable => {
                for ((key, hash), ends) in keys.iter_mut().zip(hashes).zip(bounds.windows(2)) {
                    *key = Key::or_none(text, ends[0] as usize, ends[1] as usize);
                    *hash = key.hash();
                    self.prefetch(*hash);
                }
            }
        }
    }

    /// The ids of many pieces, whatever for those that are not there, whose places are listed in `rest`.
    /// Returns how many these are.
    #[inline]
    pub(crate) fn probe_all(
        self,
        keys: &[Key],
        hashes: &[u64],
        ids: &mut [Ids],
        rest: &mut [u16],
    ) -> usize {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(isa) => isa.probe_all(self, keys, hashes, ids, rest),
            Isa::Portable => self.probe_one_by_one(keys, hashes, ids, rest),
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "places in a block")]
    fn probe_one_by_one(
        self,
        keys: &[Key],
        hashes: &[u64],
        ids: &mut [Ids],
        rest: &mut [u16],
    ) -> usize {
        let mut count = 0;
        for (at, ((&key, &hash), ids)) in keys.iter().zip(hashes).zip(ids).enumerate() {
            let (found, is_there) = probe(line(self.lines, hash), key);
            *ids = found;
            let Some(place) = rest.get_mut(count) else { return count };
            *place = at as u16;
            count += usize::from(!is_there);
        }
        count
    }

    /// Asks for the memory where a piece lies.
    #[inline]
    pub(crate) fn prefetch(self, hash: u64) {
        prefetch(line(self.lines, hash));
    }

    /// Where the lines begin, and the mask that makes a hash the number of one.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn addresses(self) -> (*const Line, usize) {
        (self.lines.as_ptr(), self.lines.len().wrapping_sub(1))
    }
}

impl PieceTable {
    /// A table for about `entries` pieces. Those that come after two others of the same line are left
    /// out: a second place to look at would be a second wait for each piece that is in neither.
    ///
    /// Between 0.3 and 0.6 of the slots are taken, and 4 to 12 percent of the pieces left out, the last
    /// ones, which are the rarest in most vocabularies.
    pub(crate) fn build(entries: usize, pieces: impl Iterator<Item = (Key, Ids)>) -> Self {
        let count = (entries * 4 / 5).max(1).next_power_of_two();
        let mut table = Self { lines: Lines::new(count), isa: Isa::best() };
        let lines = table.lines.get_mut();
        for (key, ids) in pieces {
            #[expect(clippy::cast_possible_truncation, reason = "masked to the number of lines")]
            let line = &mut lines[key.hash() as usize & (count - 1)];
            if let Some(at) = slots(line).iter().position(|slot| key_of(slot) == 0) {
                line[at * SLOT..(at + 1) * SLOT].copy_from_slice(&filled(key, ids));
            }
        }
        table
    }

    /// A table of texts, each with the ids that `encode` gives it, where it does.
    pub(crate) fn of_texts<'a>(
        texts: impl Iterator<Item = &'a str>,
        mut encode: impl FnMut(&'a str, &mut Vec<u32>) -> bool,
    ) -> Self {
        let mut ids = Vec::new();
        let entries: Vec<(Key, Ids)> = texts
            .filter_map(|text| {
                let key = Key::new(text.as_bytes(), 0, text.len())?;
                ids.clear();
                let ids = encode(text, &mut ids).then(|| Ids::new(&ids)).flatten()?;
                Some((key, ids))
            })
            .collect();
        Self::build(entries.len(), entries.into_iter())
    }

    /// The table for many look-ups.
    #[inline]
    pub(crate) fn view(&self) -> PieceView<'_> {
        PieceView { lines: self.lines.get(), isa: self.isa }
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&self, key: Key, hash: u64) -> Option<Ids> {
        find(line(self.lines.get(), hash), key)
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.bytes()
    }
}

#[cfg(test)]
mod tests;
