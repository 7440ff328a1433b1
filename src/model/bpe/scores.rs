//! Models of scored pieces, as sentencepiece keeps them: two neighbours merge when together they are a
//! piece, the best score first, the leftmost among equals.

use super::pairs::{Merge, PairTable};
use super::{Alphabet, Bpe, BpeOptions};
use crate::error::{Error, Result};
use crate::ids::{Pair, TokenId};
use crate::model::vocab::Vocab;

/// The longest piece that merging may make, in bytes: all its splits are tried when the model is built.
const MAX_PIECE: usize = 512;

impl Bpe {
    /// A model out of pieces with a score for each id, higher is better. Only `mergeable` pieces are
    /// made by merging: normal ones, not control symbols, unknown, bytes or user-defined symbols.
    ///
    /// Neighbours merge by their texts, whether they are tokens themselves or characters without one;
    /// characters that are left without one at the end become tokens of their bytes, or unknown.
    /// User-defined symbols are for the caller to find first: they stand between pieces, like added
    /// tokens, since nothing merges with them. The model has no list of merges.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is not a finite score for each id; [`Error::Unsupported`] for a
    /// mergeable piece of more than 512 bytes; as [`Bpe::new`] for the options, which take characters
    /// without affixes.
    pub fn from_scores(
        vocab: Vocab,
        scores: &[f32],
        mergeable: impl Fn(TokenId) -> bool,
        options: BpeOptions,
    ) -> Result<Self> {
        if scores.len() != vocab.id_limit() {
            let wanted = format!("as long as the vocabulary, {}", vocab.id_limit());
            return Err(Error::argument("scores", format!("{} long", scores.len()), wanted));
        }
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::argument("scores", score, "finite numbers"));
        }
        if options.alphabet != Alphabet::Chars || options.has_affixes() {
            return Err(Error::unsupported("affixes or bytes in a model of scores", "model"));
        }
        let mut model = Self::without_merges(vocab, options, true)?;
        // Equal scores share a rank: then the place decides.
        let mut order: Vec<f32> = scores.to_vec();
        order.sort_unstable_by(|a, b| b.total_cmp(a));
        order.dedup();
        let rank = |id: TokenId| {
            let at = order.partition_point(|&other| other > scores[id as usize]);
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let mut pairs = PairTable::with_room(model.vocab.len());
        for (id, token) in model.vocab.iter().filter(|&(id, _)| mergeable(id)) {
            if token.len() > MAX_PIECE {
                let what = format!("a scored piece of more than {MAX_PIECE} bytes");
                return Err(Error::unsupported(what, format!("id {id}")));
            }
            let merge = Merge { rank: rank(id), id };
            for (at, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(at);
                if let (Some(left), Some(right)) =
                    (model.part(left, &mergeable), model.part(right, &mergeable))
                {
                    pairs.insert(Pair::new(left, right), merge);
                }
            }
        }
        model.pairs = pairs;
        model.find_cuts(true);
        model.fill_table(|_| None);
        Ok(model)
    }

    /// The symbol that stands for a part of a piece while merging goes on, if any can.
    fn part(&self, text: &str, mergeable: &impl Fn(TokenId) -> bool) -> Option<TokenId> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => self.symbols.as_ref()?.merging_id(c),
            _ => self.vocab.id(text).filter(|&id| mergeable(id)),
        }
    }
}
