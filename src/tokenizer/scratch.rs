//! The buffers and caches of a call, kept between calls.
//!
//! A [`Scratch`] belongs to one call of one thread at a time; it is taken from its tokenizer's pool
//! and put back. So the caches learned from one tokenizer never meet another one, they go when the
//! tokenizer goes, and there are never more of them than calls that ran at the same time.

use std::sync::{Mutex, MutexGuard, TryLockError};

use super::bert::BertScratch;
use super::block::Block;
use super::places::{Found, PlaceCache};
use crate::model::pieces::{LongCache, PieceCache};
use crate::model::{CacheStats, ModelScratch};
use crate::normalize::Aligned;
use crate::pretokenize::{Ends, Pieces};

/// What a call needs and the next one can use again.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) cache: PieceCache,
    /// Of pieces that are too long for it.
    pub(super) long: LongCache,
    pub(crate) model: ModelScratch,
    pub(super) block: Block,
    /// Where the next pieces end.
    pub(super) ends: Ends,
    pub(super) bert: BertScratch,
    /// A text with a space in front.
    pub(crate) text: String,
    /// A normalised text.
    pub(crate) normal: String,
    pub(crate) pieces: Pieces,
    pub(crate) aligned: Aligned,
    pub(crate) ids: [Vec<u32>; 2],
    /// The ids of a row, before they are copied to whoever asked.
    pub(crate) row: Vec<u32>,
    /// The ids of a text whose places are wanted.
    pub(crate) own: Vec<u32>,
    /// The tokens of pieces, with their places.
    pub(super) places: PlaceCache,
    /// Those of one piece.
    pub(super) found: Vec<Found>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            cache: PieceCache::new(),
            long: LongCache::new(),
            model: ModelScratch::default(),
            block: Block::new(),
            ends: Ends::new(),
            bert: BertScratch::default(),
            text: String::new(),
            normal: String::new(),
            pieces: Pieces::default(),
            aligned: Aligned::default(),
            ids: [Vec::new(), Vec::new()],
            row: Vec::new(),
            own: Vec::new(),
            places: PlaceCache::default(),
            found: Vec::new(),
        }
    }

    /// Gives buffers back that one long text made large, so that it does not occupy memory forever.
    fn shrink(&mut self) {
        self.model.shrink(KEPT_BYTES);
        for text in [&mut self.text, &mut self.normal] {
            if text.capacity() > KEPT_BYTES {
                *text = String::new();
            }
        }
        if self.pieces.text.capacity() > KEPT_BYTES {
            self.pieces = Pieces::default();
        }
        if self.aligned.text.capacity() > KEPT_BYTES {
            self.aligned = Aligned::default();
        }
        if self.found.capacity() * size_of::<Found>() > KEPT_BYTES {
            self.found = Vec::new();
        }
        for ids in self.ids.iter_mut().chain([&mut self.row, &mut self.own]) {
            if ids.capacity() * size_of::<u32>() > KEPT_BYTES {
                *ids = Vec::new();
            }
        }
    }
}

/// The most scratches that wait for a next call.
const KEPT: usize = 64;
/// A buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 4 << 20;

/// How often the list of scratches is asked for before a call goes on without it.
const TRIES: usize = 1_000;

/// The scratches of one tokenizer that no call uses just now.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    /// The one that is used where calls follow each other: it stays in its place, and a call holds the
    /// lock while it works. Nobody ever waits for it.
    first: Mutex<Option<Box<Scratch>>>,
    /// The others. Boxed, so that taking one moves a pointer.
    free: Mutex<Vec<Box<Scratch>>>,
}

impl ScratchPool {
    /// Runs `work` with a scratch of the pool.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        if let Some(mut first) = free_now(&self.first) {
            let scratch = first.get_or_insert_with(|| Box::new(Scratch::new()));
            let result = work(scratch);
            scratch.shrink();
            return result;
        }
        let taken = self.lock(Vec::pop);
        let mut scratch = taken.unwrap_or_else(|| Box::new(Scratch::new()));
        let result = work(&mut scratch);
        scratch.shrink();
        self.lock(|free| {
            if free.len() < KEPT {
                free.push(scratch);
            }
        });
        result
    }

    /// Forgets what the caches learned.
    pub(crate) fn clear(&self) {
        if let Some(mut first) = free_now(&self.first) {
            *first = None;
        }
        self.lock(Vec::clear);
    }

    /// The number of waiting scratches and what their caches did.
    pub(crate) fn stats(&self) -> (usize, CacheStats) {
        let mut found = (0, CacheStats::default());
        let mut add = |scratch: &Scratch| {
            found.0 += 1;
            for stats in [scratch.cache.stats, scratch.long.stats] {
                found.1.hits += stats.hits;
                found.1.misses += stats.misses;
                found.1.evictions += stats.evictions;
            }
        };
        if let Some(first) = free_now(&self.first) {
            first.iter().for_each(|scratch| add(scratch));
        }
        self.lock(|free| free.iter().for_each(|scratch| add(scratch)));
        found
    }

    /// Works on the list; on a list of its own when it cannot be had. Nobody holds it for longer
    /// than a push or a pop, unless a fork caught somebody at it: then nobody will ever let go.
    fn lock<T>(&self, work: impl FnOnce(&mut Vec<Box<Scratch>>) -> T) -> T {
        for _ in 0..TRIES {
            if let Some(mut free) = free_now(&self.free) {
                return work(&mut free);
            }
            std::thread::yield_now();
        }
        work(&mut Vec::new())
    }
}

/// What is behind a lock, unless somebody holds it; nothing where a panic left it half changed.
#[inline]
fn free_now<T: Default>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(held) => Some(held),
        Err(TryLockError::Poisoned(held)) => {
            let mut held = held.into_inner();
            *held = T::default();
            lock.clear_poison();
            Some(held)
        }
        Err(TryLockError::WouldBlock) => None,
    }
}
