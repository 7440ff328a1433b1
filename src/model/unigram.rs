//! Unigram language models (Kudo 2018): the most likely segmentation of a piece.
//!
//! A token has a score, its log probability; the best path through a piece is the one whose scores
//! sum to the most (Viterbi). The reference library sums 64-bit floats from the left, keeps the first
//! of two paths that are equal, and so does this module, in the same order: ties and rounding fall
//! alike. That is also why a piece is never cut: a sum that starts elsewhere may round otherwise.
//!
//! From each character the trie of tokens is walked once, so the time is the length of the piece times
//! that of the tokens that start there.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use super::pieces::PieceTable;
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::trie::{self, Trie};

/// How a model treats what it has no token for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnigramOptions {
    /// The token of characters that have none.
    pub unk_id: Option<TokenId>,
    /// A character without a token becomes tokens of its bytes, such as `<0x0A>`.
    pub byte_fallback: bool,
}

/// How much worse than the worst token a character without one is.
const UNK_PENALTY: f64 = 10.0;

/// The longest token that is looked for, in bytes. A walk from every character of a long text must
/// have an end, whatever tokens a file brings; those of real models have a few dozen bytes.
const MAX_TOKEN: usize = 4096;

/// A unigram model. Immutable.
#[derive(Clone, Debug)]
pub struct Unigram {
    vocab: Vocab,
    scores: Vec<f64>,
    options: UnigramOptions,
    trie: Trie,
    unk_score: f64,
    /// The tokens of the bytes; none unless all options and entries for them are there.
    bytes: Option<Box<[Option<TokenId>; 256]>>,
    /// The lengths in bytes of the tokens, each once, ascending: a run of unknown characters can only
    /// spell a token if it has one of them.
    lengths: Vec<usize>,
    /// The results of the model's own tokens, once they are asked for.
    table: OnceLock<PieceTable>,
}

/// The best way to reach a place of a piece.
#[derive(Clone, Copy, Debug)]
struct Node {
    score: f64,
    /// Where its last token starts.
    start: u32,
    id: TokenId,
}

/// No token ends at this place.
const NOWHERE: u32 = u32::MAX;
const UNREACHED: Node = Node { score: 0.0, start: NOWHERE, id: 0 };

/// The buffers of a search, to be reused.
#[derive(Debug, Default)]
pub(crate) struct Lattice {
    /// For each byte of the piece and its end.
    nodes: Vec<Node>,
    /// The tokens of the best path, last first.
    path: Vec<(TokenId, u32, u32)>,
}

impl Lattice {
    /// Gives the buffers back when the largest of them takes more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if self.nodes.capacity().max(self.path.capacity()) * size_of::<Node>() > bytes {
            *self = Self::default();
        }
    }
}

impl Unigram {
    /// A model out of tokens and their log probabilities; ids are positions. A token may stand there
    /// twice: the last one counts, as in the reference library.
    ///
    /// Without `unk_id` a character that has no token is an error when it is met.
    ///
    /// # Errors
    /// [`Error::Format`] when `unk_id` is no position, when a score is not a finite number, or as
    /// [`Vocab::with_repeats`]; [`Error::Unsupported`] when the trie of the tokens would pass 16 million
    /// nodes, or a token 4096 bytes.
    pub fn new(entries: Vec<(String, f64)>, options: UnigramOptions) -> Result<Self> {
        const FORMAT: &str = "Unigram model";
        if let Some(unk) = options.unk_id
            && unk as usize >= entries.len()
        {
            let problem = format!("it is {unk}, but the vocabulary has {} entries", entries.len());
            return Err(Error::format(FORMAT, "unk_id", problem));
        }
        let odd = entries.iter().enumerate().find(|(_, (_, score))| !score.is_finite());
        if let Some((at, (token, score))) = odd {
            let problem = format!("the score of {token:?} is {score}");
            return Err(Error::format(FORMAT, format!("vocab[{at}]"), problem));
        }
        let long = entries.iter().position(|(token, _)| token.len() > MAX_TOKEN);
        if let Some(at) = long {
            let what = format!("a token of more than {MAX_TOKEN} bytes in a Unigram model");
            return Err(Error::unsupported(what, format!("vocab[{at}]")));
        }
        let scores: Vec<f64> = entries.iter().map(|&(_, score)| score).collect();
        let entries = (0..).zip(entries).map(|(id, (token, _))| (token, id)).collect();
        let vocab = Vocab::with_repeats(entries)?;
        let counts =
            |&(id, token): &(TokenId, &str)| !token.is_empty() && vocab.id(token) == Some(id);
        let trie = Trie::new(vocab.iter().filter(counts)).ok_or_else(|| {
            let what = format!("a Unigram trie of more than {} nodes", trie::MAX_NODES);
            Error::unsupported(what, "vocab")
        })?;
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let mut lengths: Vec<usize> = vocab.iter().map(|(_, token)| token.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let bytes = options.byte_fallback.then(|| Box::new(vocab.byte_tokens()));
        let unk_score = least - UNK_PENALTY;
        Ok(Self { vocab, scores, options, trie, unk_score, bytes, lengths, table: OnceLock::new() })
    }

    /// Calls `emit` with each token of `piece` and the bytes `start..end` of the piece that it covers.
    /// All byte tokens of a run of unknown characters cover the whole run.
    ///
    /// # Errors
    /// [`Error::UnknownPiece`] for a character without a token in a model without an unknown one.
    pub(crate) fn encode(
        &self,
        piece: &str,
        lattice: &mut Lattice,
        mut emit: impl FnMut(TokenId, usize, usize),
    ) -> Result<()> {
        self.search(piece, &mut lattice.nodes)?;
        // Neighbouring unknown characters are one token.
        let Lattice { nodes, path } = lattice;
        path.clear();
        let mut end = piece.len();
        while end > 0 {
            let Node { start, id, .. } = nodes[end];
            match path.last_mut() {
                Some((unk, from, _)) if *unk == id && Some(id) == self.options.unk_id => {
                    *from = start;
                }
                _ => path.push((id, start, Self::place(end))),
            }
            end = start as usize;
        }
        for &(id, start, end) in path.iter().rev() {
            let (start, end) = (start as usize, end as usize);
            if Some(id) == self.options.unk_id {
                self.unknown(id, &piece[start..end], |id| emit(id, start, end));
            } else {
                emit(id, start, end);
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
    fn place(at: usize) -> u32 {
        at as u32
    }

    /// Finds the best way to every character border of `piece`.
    fn search(&self, piece: &str, nodes: &mut Vec<Node>) -> Result<()> {
        nodes.clear();
        nodes.resize(piece.len() + 1, UNREACHED);
        let bytes = piece.as_bytes();
        let mut at = 0;
        while let Some(&first) = bytes.get(at) {
            let score = nodes[at].score;
            let width = char_len(first);
            let mut single = false;
            // The order of candidates is that of their starts, and the first of equals stays.
            let reach = |node: &mut Node, score: f64, id: TokenId| {
                let better = node.start == NOWHERE || score > node.score;
                if better {
                    *node = Node { score, start: Self::place(at), id };
                }
                better
            };
            let ahead = &mut nodes[at..];
            self.trie.prefixes(&bytes[at..], |id, length| {
                single |= length == width;
                reach(&mut ahead[length], self.scores[id as usize] + score, id);
            });
            if !single {
                let unk = self.options.unk_id;
                let chosen =
                    reach(&mut ahead[width], self.unk_score + score, unk.unwrap_or_default());
                if chosen && unk.is_none() {
                    let problem = "the model has no `unk_id`";
                    return Err(Error::unknown_piece(&piece[at..at + width], problem));
                }
            }
            at += width;
        }
        Ok(())
    }

    /// What a run of unknown characters becomes. Together they may spell a token that the best path
    /// had no use for, and then they are it: the reference library looks texts up when it is done.
    fn unknown(&self, unk: TokenId, run: &str, mut emit: impl FnMut(TokenId)) {
        let may_be_one = self.lengths.binary_search(&run.len()).is_ok();
        if let Some(id) = may_be_one.then(|| self.vocab.id(run)).flatten() {
            return emit(id);
        }
        if let Some(tokens) = &self.bytes
            && run.bytes().all(|byte| tokens[usize::from(byte)].is_some())
        {
            return run.bytes().filter_map(|byte| tokens[usize::from(byte)]).for_each(emit);
        }
        emit(unk);
    }

    /// The results of the model's own tokens.
    pub(crate) fn table(&self) -> &PieceTable {
        super::once(&self.table, || {
            let mut lattice = Lattice::default();
            PieceTable::of_texts(self.vocab.iter().map(|(_, token)| token), |token, ids| {
                self.encode(token, &mut lattice, |id, _, _| ids.push(id)).is_ok()
            })
        })
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        let scores = std::mem::size_of_val(&*self.scores);
        self.trie.bytes() + scores + self.table.get().map_or(0, PieceTable::bytes)
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The log probability of each id.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// How the model treats what it has no token for.
    pub fn options(&self) -> &UnigramOptions {
        &self.options
    }
}

/// The length of the character that starts with this byte.
#[inline]
fn char_len(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}
