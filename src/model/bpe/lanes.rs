//! Merging several short pieces in turns.
//!
//! What a merge costs is waiting: for what the new symbol merges to with its neighbours, in a table that is
//! larger than the nearest caches, and only then is the next merge known. Pieces do not wait for each
//! other. So a few of them take turns: each makes a merge and asks for the memory that it needs next,
//! which has come when it is its turn again.

use super::Bpe;
use super::encode::{LONG, has_run};
use super::pairs::PairTable;
use super::short::{Bytes, Change, Firsts, Short};
use crate::ids::TokenId;
use crate::model::ModelScratch;

/// Pieces that take turns.
const LANES: usize = 8;
/// Longer ones do not: they are cut first.
const LONGEST: usize = LONG - 1;

/// Pieces that take turns, and the results of those that had theirs.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: [Lane; LANES],
    results: [Merged; Lanes::MOST],
}

/// A piece that is being merged.
#[derive(Debug, Default)]
struct Lane {
    short: Short,
    /// The keys to look at.
    padded: usize,
    /// What is still to be settled.
    change: Option<Change>,
    /// Its place among the pieces.
    piece: usize,
}

/// The ids of a piece; none where it was not merged here.
#[derive(Clone, Copy, Debug)]
struct Merged {
    count: usize,
    ids: [TokenId; LONGEST],
}

impl Default for Lanes {
    fn default() -> Self {
        let nothing = Merged { count: 0, ids: [0; LONGEST] };
        Self { lanes: std::array::from_fn(|_| Lane::default()), results: [nothing; Self::MOST] }
    }
}

impl Lanes {
    /// The most pieces at a time.
    pub(crate) const MOST: usize = 32;

    /// The ids of a piece that took part; none of one that did not.
    #[inline]
    pub(crate) fn ids(&self, piece: usize) -> Option<&[TokenId]> {
        let merged = self.results.get(piece)?;
        merged.ids.get(..merged.count).filter(|ids| !ids.is_empty())
    }

    /// Forgets all results.
    pub(crate) fn clear(&mut self) {
        self.results.iter_mut().for_each(|result| result.count = 0);
    }

    /// Merges pieces, at most [`Lanes::MOST`]. Those that are none take no part.
    fn run(&mut self, pieces: &[Option<&[u8]>], firsts: &Firsts, pairs: &PairTable) {
        let Self { lanes, results } = self;
        let mut rest = pieces.iter().enumerate().filter_map(|(at, piece)| Some((at, (*piece)?)));
        let mut start = |lane: &mut Lane| {
            let Some((at, bytes)) = rest.next() else { return false };
            lane.padded = lane.short.start(&Bytes { bytes, firsts }, 0, bytes.len());
            lane.change = None;
            lane.piece = at;
            true
        };
        // Those in front are at work.
        let mut working = lanes.iter_mut().map_while(|lane| start(lane).then_some(())).count();
        while working > 0 {
            let mut at = 0;
            while let Some(lane) = lanes[..working].get_mut(at) {
                if let Some(change) = lane.change {
                    lane.short.settle(change, pairs);
                }
                lane.change = lane.short.take(lane.padded);
                if let Some(change) = lane.change {
                    lane.short.prefetch(change, pairs);
                    at += 1;
                } else {
                    if let Some(result) = results.get_mut(lane.piece) {
                        lane.short.for_each(|id, _, _| {
                            result.ids[result.count % LONGEST] = id;
                            result.count += 1;
                        });
                    }
                    if !start(lane) {
                        working -= 1;
                        lanes.swap(at, working);
                    }
                }
            }
        }
    }
}

impl Bpe {
    /// Merges those of some pieces, at most [`Lanes::MOST`], that are short and nothing but merged;
    /// [`Lanes::ids`] has what came out.
    pub(crate) fn merge_together<'a>(
        &self,
        pieces: impl Iterator<Item = Option<&'a str>>,
        scratch: &mut ModelScratch,
    ) {
        let ModelScratch { merge, dropout, lanes, .. } = scratch;
        let mut all = [None; Lanes::MOST];
        let firsts = self.firsts.as_ref().filter(|_| self.simple && dropout.is_none());
        for (place, piece) in all.iter_mut().zip(pieces) {
            let Some(piece) = piece else { continue };
            let is_plain = firsts.is_some()
                && (1..=LONGEST).contains(&piece.len())
                && !(self.runs.is_some() && has_run(piece.as_bytes()))
                && self.whole_in(piece, merge).is_none();
            *place = is_plain.then_some(piece.as_bytes());
        }
        lanes.clear();
        if let Some(firsts) = firsts {
            lanes.run(&all, firsts, &self.pairs);
        }
    }
}
