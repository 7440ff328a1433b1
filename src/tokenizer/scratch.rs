//! The buffers and caches of a call, kept between calls.
//!
//! A [`Scratch`] belongs to one call of one thread at a time; it is taken from its tokenizer's pool
//! and put back. So the caches learned from one tokenizer never meet another one, they go when the
//! tokenizer goes, and there are never more of them than calls that ran at the same time.

use std::sync::{Mutex, TryLockError};

use super::bert::BertScratch;
use super::block::Block;
use super::places::{Found, PlaceCache};
use crate::model::pieces::PieceCache;
use crate::model::{CacheStats, ModelScratch};
use crate::normalize::Aligned;
use crate::pretokenize::Pieces;

/// What a call needs and the next one can use again.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) cache: PieceCache,
    pub(crate) model: ModelScratch,
    pub(super) block: Block,
    pub(super) bert: BertScratch,
    /// A text with a space in front.
    pub(crate) text: String,
    /// A normalised text.
    pub(crate) normal: String,
    pub(crate) pieces: Pieces,
    pub(crate) aligned: Aligned,
    pub(crate) ids: [Vec<u32>; 2],
    /// The tokens of pieces, with their places.
    pub(super) places: PlaceCache,
    /// Those of one piece.
    pub(super) found: Vec<Found>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            cache: PieceCache::new(),
            model: ModelScratch::default(),
            block: Block::new(),
            bert: BertScratch::default(),
            text: String::new(),
            normal: String::new(),
            pieces: Pieces::default(),
            aligned: Aligned::default(),
            ids: [Vec::new(), Vec::new()],
            places: PlaceCache::default(),
            found: Vec::new(),
        }
    }
}

/// The most scratches that wait for a next call.
const KEPT: usize = 64;
/// A buffer that grew beyond this is not kept, so that one long text does not occupy memory forever.
const KEPT_BYTES: usize = 4 << 20;

/// How often the list of scratches is asked for before a call goes on without it.
const TRIES: usize = 1_000;

/// The scratches of one tokenizer that no call uses just now.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    // Boxed, so that taking one moves a pointer.
    free: Mutex<Vec<Box<Scratch>>>,
}

impl ScratchPool {
    /// Runs `work` with a scratch of the pool.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let taken = self.lock(Vec::pop);
        let mut scratch = taken.unwrap_or_else(|| Box::new(Scratch::new()));
        let result = work(&mut scratch);
        scratch.model.shrink(KEPT_BYTES);
        for text in [&mut scratch.text, &mut scratch.normal] {
            if text.capacity() > KEPT_BYTES {
                *text = String::new();
            }
        }
        if scratch.pieces.text.capacity() > KEPT_BYTES {
            scratch.pieces = Pieces::default();
        }
        if scratch.aligned.text.capacity() > KEPT_BYTES {
            scratch.aligned = Aligned::default();
        }
        if scratch.found.capacity() * size_of::<Found>() > KEPT_BYTES {
            scratch.found = Vec::new();
        }
        for ids in &mut scratch.ids {
            if ids.capacity() * size_of::<u32>() > KEPT_BYTES {
                *ids = Vec::new();
            }
        }
        self.lock(|free| {
            if free.len() < KEPT {
                free.push(scratch);
            }
        });
        result
    }

    /// Forgets what the caches learned.
    pub(crate) fn clear(&self) {
        self.lock(Vec::clear);
    }

    /// The number of waiting scratches and what their caches did.
    pub(crate) fn stats(&self) -> (usize, CacheStats) {
        self.lock(|free| {
            let mut sum = CacheStats::default();
            for scratch in &*free {
                let CacheStats { hits, misses, evictions } = scratch.cache.stats;
                sum.hits += hits;
                sum.misses += misses;
                sum.evictions += evictions;
            }
            (free.len(), sum)
        })
    }

    /// Works on the list; on a list of its own when it cannot be had. Nobody holds it for longer
    /// than a push or a pop, unless a fork caught somebody at it: then nobody will ever let go.
    fn lock<T>(&self, work: impl FnOnce(&mut Vec<Box<Scratch>>) -> T) -> T {
        for _ in 0..TRIES {
            match self.free.try_lock() {
                Ok(mut free) => return work(&mut free),
                // A panic elsewhere cannot leave the list half changed.
                Err(TryLockError::Poisoned(free)) => return work(&mut free.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        work(&mut Vec::new())
    }
}
