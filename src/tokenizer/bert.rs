//! The fast road of WordPiece behind BERT's normaliser and pre-tokenizer.
//!
//! Whole stretches between ASCII white space are looked up before anything is normalised: white space
//! is a border that no step of the pipeline looks across, so the ids of a stretch depend on its bytes
//! alone. A stretch that is not remembered is normalised and split in one pass over a table of
//! characters, and each of its words is looked up, or matched in the model's trie.
//!
//! The twin is the general road in `aligned.rs`.

mod chars;
mod edges;
mod keys;
mod machine;
#[cfg(test)]
mod tests;
mod tiers;
mod words;

use self::chars::Chars;
use self::edges::Edges;
use self::tiers::Tier;
use self::words::Words;
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::TokenId;
use crate::model::{CacheStats, WordPiece};
use crate::normalize::Normalizer;
use crate::pretokenize::Splitter;

/// Whether a normaliser leaves white space where it stands and looks at nothing across it. Others may
/// write it, spell it, or put something in front of the text.
pub(super) fn keeps_borders(normalizer: Option<&Normalizer>) -> bool {
    matches!(normalizer, None | Some(Normalizer::Bert(_)))
}

/// WordPiece behind BERT's normaliser and pre-tokenizer.
#[derive(Clone, Debug)]
pub(super) struct BertRoad {
    chars: Chars,
}

/// What a call needs and the next one can use again; empty until a text takes this road.
#[derive(Debug, Default)]
pub(super) struct BertScratch(Option<Box<Buffers>>);

#[derive(Debug)]
struct Buffers {
    edges: Edges,
    short: Tier<2>,
    middle: Tier<4>,
    long: Tier<8>,
    word: Vec<u8>,
    rare: String,
}

/// The most sets of each tier: 8, 4 and 2 MiB.
const SETS: [usize; 3] = [1 << 17, 1 << 15, 1 << 13];

impl Buffers {
    fn new() -> Self {
        Self {
            edges: Edges::new(),
            short: Tier::new(SETS[0]),
            middle: Tier::new(SETS[1]),
            long: Tier::new(SETS[2]),
            word: Vec::new(),
            rare: String::new(),
        }
    }
}

/// A word being written that grew beyond this is not kept.
const KEPT_WORD: usize = 1 << 16;
/// Stretches that are looked up together.
const TOGETHER: usize = 32;
/// In place of the key of a stretch that is not short; no key has a length like this.
const LONGER: [u64; 2] = [u64::MAX; 2];
/// Room for their ids.
const WAITING: usize = 16 * TOGETHER;

impl BertRoad {
    /// The most memory that the caches of a call take.
    pub(super) const CACHE_BYTES: usize =
        Tier::<2>::bytes(SETS[0]) + Tier::<4>::bytes(SETS[1]) + Tier::<8>::bytes(SETS[2]);

    pub(super) fn new(model: &WordPiece, normalizer: Option<&Normalizer>) -> Self {
        let options = match normalizer {
            Some(Normalizer::Bert(options)) => Some(options),
            _ => None,
        };
        // Now and not within the first text.
        model.table();
        Self { chars: Chars::new(model, options) }
    }

    /// Appends the ids of a text without added tokens.
    pub(super) fn encode(
        &self,
        model: &WordPiece,
        normalizer: Option<&Normalizer>,
        splitter: &Splitter,
        text: &str,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let Scratch { bert, normal, cache, .. } = scratch;
        let Buffers { edges, short, middle, long, word, rare } =
            &mut **bert.0.get_or_insert_with(|| Box::new(Buffers::new()));
        let words = Words { model, chars: &self.chars, lowers: self.chars.lowers(), word, rare };
        let mut general = |text: &str, out: &mut Vec<TokenId>| {
            normal.clear();
            match normalizer {
                Some(normalizer) => normalizer.normalize_into(text, normal)?,
                None => normal.push_str(text),
            }
            splitter.for_each(normal, |start, end| {
                model.encode_utf8(&normal.as_bytes()[start..end], out);
            })
        };
        let mut stretches = Stretches {
            text,
            short,
            middle,
            long,
            words,
            general: &mut general,
            stats: &mut cache.stats,
            out,
        };
        edges.begin();
        while let Some(round) = edges.next_round(text.as_bytes()) {
            stretches.round(round)?;
        }
        if word.capacity() > KEPT_WORD {
            *word = Vec::new();
        }
        Ok(())
    }

    /// The memory of the tables.
    pub(super) fn table_bytes(&self, model: &WordPiece) -> usize {
        self.chars.bytes() + model.table_bytes()
    }
}

/// The way from stretches to ids.
struct Stretches<'a, F> {
    text: &'a str,
    short: &'a mut Tier<2>,
    middle: &'a mut Tier<4>,
    long: &'a mut Tier<8>,
    words: Words<'a>,
    /// The way of a stretch that the table of characters does not cover.
    general: &'a mut F,
    stats: &'a mut CacheStats,
    out: &'a mut Vec<TokenId>,
}

impl<F: FnMut(&str, &mut Vec<TokenId>) -> Result<()>> Stretches<'_, F> {
    /// Appends the ids of stretches.
    fn round(&mut self, stretches: &[[u32; 2]]) -> Result<()> {
        let mut keys = [[0; 2]; TOGETHER];
        let mut hashes = [0; TOGETHER];
        let mut found = [[0; 2]; TOGETHER];
        let mut waiting = [0; WAITING];
        let mut misses = 0;
        for some in stretches.chunks(TOGETHER) {
            // Three steps, so that all sets are on the way before the first one is needed, and no step
            // has to guess what lies in one.
            for at in 0..some.len() {
                (keys[at], hashes[at]) = self.key(some[at]);
            }
            let mut hits = 0_u32;
            for at in 0..some.len() {
                let hit;
                (found[at], hit) = self.short.probe(&keys[at], hashes[at]);
                hits |= u32::from(hit) << at;
            }
            let mut rest = !hits & (u32::MAX >> (TOGETHER - some.len()));
            while rest != 0 {
                let at = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if keys[at] != LONGER {
                    hashes[at] = self.fetch_middle(some[at]);
                }
            }
            let mut count = 0;
            for at in 0..some.len() {
                let Some(room) = waiting[count..].first_chunk_mut::<16>() else { break };
                if hits >> at & 1 == 1 {
                    count += tiers::unpack(&found[at], room);
                    continue;
                }
                let more = self.further(some[at], &keys[at], hashes[at], room);
                if more > 0 {
                    count += more;
                    continue;
                }
                self.out.extend_from_slice(&waiting[..count]);
                count = 0;
                misses += 1;
                self.encode(some[at])?;
            }
            self.out.extend_from_slice(&waiting[..count]);
        }
        self.stats.misses += misses;
        self.stats.hits += stretches.len() as u64 - misses;
        Ok(())
    }

    /// The key and the hash of a short stretch, or [`LONGER`] and the hash of a longer one; what the
    /// hash leads to is fetched.
    #[inline]
    fn key(&self, stretch: [u32; 2]) -> ([u64; 2], u64) {
        let [start, end] = stretch.map(|at| at as usize);
        let text = self.text.as_bytes();
        let length = end - start;
        if length <= Tier::<2>::MAX_BYTES {
            let key = keys::padded(text, start, end);
            let hash = Tier::hash(&key);
            self.short.prefetch(hash);
            return (key, hash);
        }
        let hash = if length <= Tier::<4>::MAX_BYTES {
            self.fetch_middle(stretch)
        } else if length <= Tier::<8>::MAX_BYTES {
            let hash = Tier::hash(&keys::padded::<8>(text, start, end));
            self.long.prefetch(hash);
            hash
        } else {
            0
        };
        (LONGER, hash)
    }

    /// The hash of a stretch in the second tier; what it leads to is fetched.
    fn fetch_middle(&self, [start, end]: [u32; 2]) -> u64 {
        let key = keys::padded::<4>(self.text.as_bytes(), start as usize, end as usize);
        let hash = Tier::hash(&key);
        self.middle.prefetch(hash);
        hash
    }

    /// The number of ids of a stretch that does not lie where most do, and the ids at the start of
    /// `room`; none when it is not remembered. `hash` is that of the second tier, or of the third for a
    /// stretch that fits there alone.
    fn further(
        &self,
        [start, end]: [u32; 2],
        key: &[u64; 2],
        hash: u64,
        room: &mut [u32; 16],
    ) -> usize {
        let (text, start, end) = (self.text.as_bytes(), start as usize, end as usize);
        let length = end - start;
        if length <= Tier::<2>::MAX_BYTES
            && let Some(ids) = self.short.get(key, Tier::hash(key))
        {
            return tiers::unpack(ids, room);
        }
        if length <= Tier::<4>::MAX_BYTES
            && let Some(ids) = self.middle.get(&keys::padded(text, start, end), hash)
        {
            return tiers::unpack(ids, room);
        }
        if length <= Tier::<2>::MAX_BYTES || length > Tier::<8>::MAX_BYTES {
            return 0;
        }
        let key = keys::padded(text, start, end);
        let is_long = length > Tier::<4>::MAX_BYTES;
        let hash = if is_long { hash } else { Tier::hash(&key) };
        self.long.get(&key, hash).map_or(0, |ids| tiers::unpack(ids, room))
    }

    /// Appends the ids of a stretch that is not remembered, and remembers them.
    #[inline(never)]
    fn encode(&mut self, [start, end]: [u32; 2]) -> Result<()> {
        let (start, end) = (start as usize, end as usize);
        let length = end - start;
        let before = self.out.len();
        let bytes = self.text.as_bytes();
        let stretch = &self.text[start..end];
        let done = if length <= Tier::<2>::MAX_BYTES {
            let key = keys::padded::<2>(bytes, start, end);
            self.words.ascii(&key, length, self.out)
        } else if length <= Tier::<8>::MAX_BYTES {
            let key = keys::padded::<8>(bytes, start, end);
            self.words.ascii(&key, length, self.out)
        } else {
            false
        };
        if !done && !self.words.walk(stretch, self.out) {
            (self.general)(stretch, self.out)?;
        }
        self.remember(start, end, before);
        Ok(())
    }

    fn remember(&mut self, start: usize, end: usize, before: usize) {
        let (length, text) = (end - start, self.text.as_bytes());
        let ids = &self.out[before..];
        let gone = if length <= Tier::<2>::MAX_BYTES && ids.len() <= Tier::<2>::MAX_IDS {
            let key = keys::padded(text, start, end);
            self.short.put(&key, Tier::hash(&key), ids)
        } else if length <= Tier::<2>::MAX_BYTES
            || (length <= Tier::<4>::MAX_BYTES && ids.len() <= Tier::<4>::MAX_IDS)
        {
            let key = keys::padded(text, start, end);
            self.middle.put(&key, Tier::hash(&key), ids)
        } else if length <= Tier::<8>::MAX_BYTES {
            let key = keys::padded(text, start, end);
            self.long.put(&key, Tier::hash(&key), ids)
        } else {
            false
        };
        self.stats.evictions += u64::from(gone);
    }
}

/// The high bits of the bytes of a word, side by side.
#[inline]
fn gather(high: u64) -> u64 {
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
