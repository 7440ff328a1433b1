//! ALBERT's embedding stage: word, position and token type, normalised, then projected.
//!
//! `LayerNorm(word + position + type) P + b`, as `transformers` computes it in inference. BERT's stage,
//! which ends at the normalisation, is the same without `P`.

// The normalisation stands between the table and the projection, and depends on the position, so
// projecting distinct ids once looks wrong. It is not: with c(x) = x - mean(x), q = c(position + type),
//
//     LayerNorm(a + position + type) = gamma * (c(a) + q) / sigma + beta,
//
// hence the vector is (c(a) G + q G) / sigma + (beta P + b) with G = diag(gamma) P: c(a) G once for a
// distinct id, q G once for a distinct place, and of every token only sigma and H additions.
//
// sigma is taken from c(a) + q itself and not from |c(a)|^2 + 2 c(a) q + |q|^2, which loses all
// digits where a word nearly cancels its place. There the sum c(a) G + q G loses digits as well: a token
// whose sum is short against its parts is computed directly, in 64 bits up to the projection.

mod store;

use std::sync::{Arc, OnceLock};

use super::factorized::{FactorizedEmbedding, Factors, reserved};
use super::kernel::stream::{self, Stores};
use super::kernel::{BLOCK, Isa, Panels, Scratch, rows};
use super::lookup::{AnyId, Distinct};
use super::parallel::{self, SMALL};
use super::table::Table;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

pub use self::store::AlbertOptions;

/// `LayerNorm`'s epsilon in ALBERT, BERT and ELECTRA.
pub const LAYER_NORM_EPS: f64 = 1e-12;

/// The smallest epsilon: with it no intermediate number leaves the range of 32 bits.
const LEAST_EPS: f64 = 1e-30;

/// Projected places are kept if they are no more numbers than this (16 MiB).
const KEPT_NUMBERS: usize = 4 << 20;

/// A token is computed directly when the square of its sum is less than this share of those of its
/// parts: it loses three bits at most, otherwise.
const SHARE: f32 = 1.0 / 64.0;

/// Beyond this square, sums are computed directly: products stay far from the end of 32 bits.
const LARGE: f32 = 1e24;

/// What an embedding stage is made of. All numbers are those of the model's own tensors.
#[derive(Debug)]
pub struct AlbertParts {
    /// `A`, and with it `P` and `b`. Its padding id plays no part.
    pub words: AlbertWords,
    /// A row for every position.
    pub positions: Vec<f32>,
    /// A row for every token type.
    pub types: Vec<f32>,
    /// `LayerNorm`'s weight.
    pub gamma: Vec<f32>,
    /// `LayerNorm`'s bias.
    pub beta: Vec<f32>,
    /// What `LayerNorm` adds to the variance.
    pub layer_norm_eps: f64,
    /// `RoBERTa`'s rule: positions count from the number after this, over the ids that are not this one,
    /// which has this position.
    pub position_padding_id: Option<TokenId>,
}

/// The word table of an embedding stage.
#[derive(Clone, Debug)]
pub enum AlbertWords {
    /// A table and the projection behind the normalisation: ALBERT, ELECTRA.
    Projected(Arc<FactorizedEmbedding>),
    /// A table alone, the stage ends at the normalisation: BERT, `RoBERTa`.
    Whole(WordTable),
}

/// A table of words of the full width.
#[derive(Clone, Debug)]
pub struct WordTable(Arc<Table>);

impl WordTable {
    pub(super) fn table(&self) -> &Table {
        &self.0
    }
}

impl From<Table> for WordTable {
    fn from(table: Table) -> Self {
        Self(Arc::new(table))
    }
}

impl AlbertWords {
    /// A table in memory, of rows of `width` numbers, without a projection.
    ///
    /// # Errors
    /// [`Error::Argument`] when the table is empty or ragged.
    pub fn whole(values: Vec<f32>, width: usize) -> Result<Self> {
        let rows = rows_of("word_embeddings", values.len(), width)?;
        super::factorized::check_sizes(rows, width, width)?;
        Ok(Self::Whole(WordTable(Arc::new(Table::owned(values, width)))))
    }

    /// Factors in memory: the table, and the projection as `torch.nn.Linear` keeps it, `hidden_dim` x
    /// `width`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the sizes do not fit one another.
    pub fn projected(
        values: Vec<f32>,
        width: usize,
        projection: &[f32],
        bias: Option<Vec<f32>>,
    ) -> Result<Self> {
        let rows = rows_of("word_embeddings", values.len(), width)?;
        let hidden_dim = rows_of("projection", projection.len(), width)?;
        super::factorized::check_sizes(rows, width, hidden_dim)?;
        finite("projection", projection)?;
        if let Some(bias) = &bias {
            check_length("bias", bias, hidden_dim)?;
        }
        let panels = Panels::pack(width, hidden_dim, |k, j| projection[j * width + k]);
        let factors =
            FactorizedEmbedding::from_parts(Table::owned(values, width), panels, bias, None)?;
        Ok(Self::Projected(Arc::new(factors)))
    }

    fn table(&self) -> &Table {
        match self {
            Self::Projected(factors) => &factors.table,
            Self::Whole(WordTable(table)) => table,
        }
    }
}

/// ALBERT's embedding stage, for inference.
///
/// Immutable, and safe to share between threads.
#[derive(Debug)]
pub struct AlbertEmbeddings {
    parts: AlbertParts,
    /// `diag(gamma) P`; `diag(gamma)` alone where there is no projection.
    folded: Option<Panels<f32>>,
    /// `beta P + b`.
    constant: Vec<f32>,
    /// All places, projected at the first use, if they are not too many.
    kept: OnceLock<Places>,
}

/// Positions with token types: what is added to a word. A place is `type * positions + position`.
#[derive(Debug, Default)]
struct Places {
    /// `q`, `width` numbers each.
    centred: Vec<f32>,
    /// `q G`, `hidden_dim` numbers each.
    folded: Vec<f32>,
    /// `|q|^2`.
    squares: Vec<f32>,
}

/// A token whose vector is to be computed.
#[derive(Default)]
struct Token<'a> {
    /// Where the vector goes.
    row: &'a mut [f32],
    /// Its place, and the index of that in [`Places`].
    place: u32,
    slot: u32,
}

/// What a thread reuses from block to block.
struct State {
    isa: Isa,
    scratch: Scratch<f32>,
    /// One vector, on its way past the caches.
    vector: Vec<f32>,
    centred: Vec<f32>,
    folded: Vec<f32>,
    exact: Vec<f64>,
}

impl AlbertEmbeddings {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`Error::Argument`] when sizes do not fit one another, when a number of anything but the word
    /// table is not finite, or when epsilon is out of bounds.
    pub fn new(parts: AlbertParts) -> Result<Self> {
        if let AlbertWords::Projected(factors) = &parts.words
            && !factors.has_projection()
        {
            let wanted = "with one, or a table alone";
            return Err(Error::argument("the words", "without a projection", wanted));
        }
        let table = parts.words.table();
        let (width, vocab_size) = (table.width(), table.rows());
        for (name, values) in
            [("position_embeddings", &parts.positions), ("token_type_embeddings", &parts.types)]
        {
            let rows = rows_of(name, values.len(), width)?;
            if rows > MAX_ID as usize {
                return Err(Error::argument(name, format!("{rows} rows"), "fewer rows than 2^31"));
            }
            finite(name, values)?;
        }
        let places = (parts.positions.len() / width).checked_mul(parts.types.len() / width);
        if places.is_none_or(|places| places > MAX_ID as usize) {
            let given = format!("{} rows", parts.types.len() / width);
            return Err(Error::argument("token_type_embeddings", given, "of fewer rows"));
        }
        check_length("layer_norm_weight", &parts.gamma, width)?;
        check_length("layer_norm_bias", &parts.beta, width)?;
        check_eps(parts.layer_norm_eps)?;
        if let Some(id) = parts.position_padding_id
            && id as usize >= vocab_size.min(parts.positions.len() / width)
        {
            let wanted = "less than vocab_size and the number of positions";
            return Err(Error::argument("position_padding_id", id, wanted));
        }
        let (folded, constant) = match &parts.words {
            AlbertWords::Whole(_) => (None, parts.beta.clone()),
            AlbertWords::Projected(factors) => {
                let (folded, constant) = fold(factors, &parts);
                (Some(folded), constant)
            }
        };
        Ok(Self { parts, folded, constant, kept: OnceLock::new() })
    }

    /// The number of words.
    pub fn vocab_size(&self) -> usize {
        self.table().rows()
    }

    /// The width of words, positions and types.
    pub fn embedding_dim(&self) -> usize {
        self.table().width()
    }

    /// The width of the results.
    pub fn hidden_dim(&self) -> usize {
        self.constant.len()
    }

    /// The number of positions: `max_position_embeddings` in configurations.
    pub fn positions(&self) -> usize {
        self.parts.positions.len() / self.embedding_dim()
    }

    /// The number of token types: `type_vocab_size` in configurations.
    pub fn types(&self) -> usize {
        self.parts.types.len() / self.embedding_dim()
    }

    /// What `LayerNorm` adds to the variance.
    pub fn layer_norm_eps(&self) -> f64 {
        self.parts.layer_norm_eps
    }

    /// See [`AlbertParts::position_padding_id`].
    pub fn position_padding_id(&self) -> Option<TokenId> {
        self.parts.position_padding_id
    }

    /// The table, the projection and the bias, without all that stands between them here: `A P + b`. There
    /// is none without a projection.
    pub fn plain(&self) -> Option<Arc<FactorizedEmbedding>> {
        match &self.parts.words {
            AlbertWords::Projected(factors) => Some(Arc::clone(factors)),
            AlbertWords::Whole(_) => None,
        }
    }

    /// The table, the projection and the bias in 32-bit numbers: see [`FactorizedEmbedding::factors`].
    ///
    /// # Errors
    /// As there.
    pub fn factors(&self) -> Result<Factors> {
        if let AlbertWords::Projected(factors) = &self.parts.words {
            return factors.factors();
        }
        self.table().check()?;
        let (rows, width) = (self.vocab_size(), self.embedding_dim());
        let mut table = reserved(rows, width)?;
        table.resize(rows * width, 0.0);
        for (index, row) in table.chunks_exact_mut(width).enumerate() {
            self.table().copy_row(index, row);
        }
        Ok(Factors { table, projection: None, bias: None })
    }

    pub(super) fn words(&self) -> &AlbertWords {
        &self.parts.words
    }

    /// The same stage for other words.
    pub(super) fn with_words(&self, words: AlbertWords) -> Result<Self> {
        let AlbertParts { positions, types, gamma, beta, layer_norm_eps, .. } = &self.parts;
        Self::new(AlbertParts {
            words,
            positions: positions.clone(),
            types: types.clone(),
            gamma: gamma.clone(),
            beta: beta.clone(),
            layer_norm_eps: *layer_norm_eps,
            position_padding_id: self.parts.position_padding_id,
        })
    }

    fn table(&self) -> &Table {
        self.parts.words.table()
    }

    /// Converts ids of any integer type; `length` is that of a row of the sequence.
    ///
    /// # Errors
    /// [`Error::UnknownId`] names the first id that the table does not have, and its place.
    pub fn check_ids<I: AnyId>(&self, ids: &[I], length: Option<usize>) -> Result<Vec<TokenId>> {
        let size = self.vocab_size();
        below(ids, size).map_err(|(at, id)| {
            let (row, position) = row_and_column(at, length);
            Error::UnknownId { id, position, row, size }
        })
    }

    /// The same for token types.
    ///
    /// # Errors
    /// [`Error::Argument`] names the first that there is not, and its place.
    pub fn check_types<I: AnyId>(&self, types: &[I], length: Option<usize>) -> Result<Vec<u32>> {
        let size = self.types();
        below(types, size).map_err(|at| outside("token_type_ids", at, length, size))
    }

    /// The same for positions.
    ///
    /// # Errors
    /// [`Error::Argument`] names the first that there is not, and its place.
    pub fn check_positions<I: AnyId>(
        &self,
        positions: &[I],
        length: Option<usize>,
    ) -> Result<Vec<u32>> {
        let size = self.positions();
        below(positions, size).map_err(|at| outside("position_ids", at, length, size))
    }

    /// The positions that the tokens of rows of `length` ids have when none are given: from 0 on, or
    /// by `RoBERTa`'s rule.
    ///
    /// # Errors
    /// [`Error::Argument`] when a row is longer than there are positions.
    pub fn default_positions(&self, ids: &[TokenId], length: usize) -> Result<Vec<u32>> {
        let size = self.positions();
        let mut positions = Vec::with_capacity(ids.len());
        for (row, ids) in ids.chunks(length.max(1)).enumerate() {
            let mut next = self.position_padding_id().map_or(0, |id| id + 1);
            for id in ids {
                if self.position_padding_id() == Some(*id) {
                    positions.push(*id);
                } else if (next as usize) < size {
                    positions.push(next);
                    next += 1;
                } else {
                    let given = format!("{} long in row {row}", ids.len());
                    let first = self.position_padding_id().map_or(0, |id| id as usize + 1);
                    let wanted =
                        format!("at most {} long, as many positions as there are", size - first);
                    return Err(Error::argument("ids", given, wanted));
                }
            }
        }
        Ok(positions)
    }

    /// Writes the vectors of `ids`, at these positions and of these types, into `out`. The result is
    /// the same for every number of threads, and for every way to split ids over calls.
    ///
    /// # Errors
    /// [`Error::UnknownId`] and [`Error::Argument`] for what there is not, and when the lengths do not
    /// fit one another. Nothing is written then.
    pub fn embed_into(
        &self,
        ids: &[TokenId],
        types: Option<&[u32]>,
        positions: &[u32],
        out: &mut [f32],
        threads: usize,
    ) -> Result<()> {
        let lengths = [types.map_or(ids.len(), <[u32]>::len), positions.len()];
        if lengths != [ids.len(); 2] || ids.len().checked_mul(self.hidden_dim()) != Some(out.len())
        {
            let given = format!("{lengths:?} types and positions, {} numbers", out.len());
            let wanted = format!("for {} ids of {} numbers", ids.len(), self.hidden_dim());
            return Err(Error::argument("the call", given, wanted));
        }
        self.table().check()?;
        // Callers have converted and so checked everything; looked at again, an index cannot be wrong.
        self.check_ids(ids, None)?;
        self.check_positions(positions, None)?;
        if let Some(types) = types {
            self.check_types(types, None)?;
        }
        let stride = u32::try_from(self.positions()).unwrap_or(u32::MAX);
        let places: Vec<u32> = match types {
            None => positions.to_vec(),
            Some(types) => positions.iter().zip(types).map(|(p, t)| t * stride + p).collect(),
        };
        self.fill(ids, &places, out, threads)
    }

    /// The vectors of one sequence of ids.
    ///
    /// # Errors
    /// As [`Self::embed_into`].
    pub fn embed(&self, ids: &[TokenId], threads: usize) -> Result<Vec<f32>> {
        let positions = self.default_positions(ids, ids.len())?;
        let mut out = vec![0.0; ids.len() * self.hidden_dim()];
        self.embed_into(ids, None, &positions, &mut out, threads)?;
        Ok(out)
    }

    fn fill(&self, ids: &[TokenId], places: &[u32], out: &mut [f32], threads: usize) -> Result<()> {
        let (width, hidden) = (self.embedding_dim(), self.hidden_dim());
        let total = self.positions() * self.types();
        let (mut own, mut slots) = (None, None);
        let known = if total.saturating_mul(width + hidden) <= KEPT_NUMBERS {
            // Not `get_or_init`: what fails is not kept, and a child forked meanwhile waits for nobody.
            if let Some(kept) = self.kept.get() {
                kept
            } else {
                let all: Vec<u32> = (0..).take(total).collect();
                let made = self.places(&all)?;
                self.kept.get_or_init(|| made)
            }
        } else {
            let distinct = Distinct::of(places, total);
            slots = Some(distinct.slots);
            own.insert(self.places(&distinct.ids)?)
        };
        let slots = slots.as_deref().unwrap_or(places);
        let distinct = Distinct::of(ids, self.vocab_size());
        // Of a token, sigma and what follows take as long as so many multiply-adds.
        let work = distinct.ids.len() * hidden * width + out.len() * 12;
        let threads = if work < SMALL { 1 } else { threads };
        let stores = Stores::for_output(size_of_val(out));
        let rows = out.chunks_exact_mut(hidden).zip(places).zip(slots);
        let tokens = rows.map(|((row, &place), &slot)| Token { row, place, slot });
        let (mut tokens, ends) = sort_by_slot(tokens, &distinct.slots, distinct.ids.len());
        let mut blocks = Vec::with_capacity(distinct.ids.len().div_ceil(BLOCK));
        let (mut rest, mut start) = (&mut tokens[..], 0);
        for (ids, ends) in distinct.ids.chunks(BLOCK).zip(ends.chunks(BLOCK)) {
            let end = ends.last().copied().unwrap_or(start);
            let (these, others) = rest.split_at_mut(end - start);
            blocks.push((ids, ends, start, these));
            (rest, start) = (others, end);
        }
        let block = BLOCK.min(ids.len());
        let state = || State {
            isa: Isa::best(),
            scratch: Scratch::default(),
            vector: vec![0.0; hidden],
            centred: vec![0.0; block * width],
            folded: vec![0.0; block * hidden],
            exact: vec![0.0; width],
        };
        parallel::for_each(
            blocks.into_iter(),
            threads,
            state,
            |state, (ids, ends, start, tokens)| {
                self.block(state, stores, known, ids, ends, start, tokens);
                stream::finish(stores);
            },
        );
        Ok(())
    }

    /// The tokens of up to [`BLOCK`] distinct ids. Those of the first id end at `ends[0]`, counted
    /// from where `tokens` is at `start`.
    fn block(
        &self,
        state: &mut State,
        stores: Stores,
        known: &Places,
        ids: &[TokenId],
        ends: &[usize],
        start: usize,
        tokens: &mut [Token<'_>],
    ) {
        let (width, hidden) = (self.embedding_dim(), self.hidden_dim());
        let mut squares = [0.0; BLOCK];
        for ((id, square), centred) in
            ids.iter().zip(&mut squares).zip(state.centred.chunks_exact_mut(width))
        {
            self.table().copy_row(*id as usize, centred);
            for (to, from) in state.exact.iter_mut().zip(&*centred) {
                *to = f64::from(*from);
            }
            *square = centre(&mut state.exact, centred);
        }
        let folded = &mut state.folded[..ids.len() * hidden];
        self.project(&mut state.scratch, &state.centred[..ids.len() * width], folded);
        let mut direct = Vec::new();
        let mut rest = tokens.iter_mut();
        let mut before = start;
        let words = state.centred.chunks_exact(width).zip(folded.chunks_exact(hidden));
        for (((&id, &end), &square), (centred, folded)) in
            ids.iter().zip(ends).zip(&squares).zip(words)
        {
            for token in rest.by_ref().take(end - before) {
                let slot = token.slot as usize;
                let place = &known.centred[slot * width..][..width];
                let mut sum = 0.0;
                rows::square_of_sum(state.isa, centred, place, &mut sum);
                let parts = square + known.squares[slot];
                // Also false where a number is none.
                if sum >= SHARE * parts && parts < LARGE {
                    let variance = f64::from(sum) / width as f64 + self.parts.layer_norm_eps;
                    #[expect(clippy::cast_possible_truncation, reason = "rounding is wanted")]
                    let scale = (1.0 / variance.sqrt()) as f32;
                    let place = &known.folded[slot * hidden..][..hidden];
                    let constant = &self.constant;
                    if stores == Stores::Plain {
                        rows::scaled_sum(state.isa, folded, place, scale, constant, token.row);
                    } else {
                        let vector = &mut state.vector;
                        rows::scaled_sum(state.isa, folded, place, scale, constant, vector);
                        stream::copy(stores, vector, token.row);
                    }
                } else {
                    direct.push((id, token.place, &mut *token.row));
                }
            }
            before = end;
        }
        for direct in direct.chunks_mut(BLOCK) {
            self.direct(state, direct);
        }
    }

    /// Tokens (word, place, row) by the definition, each for itself.
    fn direct(&self, state: &mut State, tokens: &mut [(TokenId, u32, &mut [f32])]) {
        let (width, hidden) = (self.embedding_dim(), self.hidden_dim());
        for ((id, place, _), normal) in tokens.iter().zip(state.centred.chunks_exact_mut(width)) {
            self.table().copy_row(*id as usize, normal);
            self.add_place(*place, &mut state.exact, normal);
            let mean = state.exact.iter().sum::<f64>() / width as f64;
            let square: f64 = state.exact.iter().map(|x| (x - mean).powi(2)).sum();
            let sigma = (square / width as f64 + self.parts.layer_norm_eps).sqrt();
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
            for (to, from) in normal.iter_mut().zip(&state.exact) {
                *to = ((from - mean) / sigma) as f32;
            }
        }
        let folded = &mut state.folded[..tokens.len() * hidden];
        self.project(&mut state.scratch, &state.centred[..tokens.len() * width], folded);
        for ((_, _, row), folded) in tokens.iter_mut().zip(folded.chunks_exact(hidden)) {
            for ((to, from), constant) in row.iter_mut().zip(folded).zip(&self.constant) {
                *to = from + constant;
            }
        }
    }

    /// `out = base + position + type`, in 64 bits.
    fn add_place(&self, place: u32, out: &mut [f64], base: &[f32]) {
        let width = self.embedding_dim();
        let (place, positions) = (place as usize, self.positions());
        let position = &self.parts.positions[place % positions * width..][..width];
        let kind = &self.parts.types[place / positions * width..][..width];
        for ((to, base), (position, kind)) in
            out.iter_mut().zip(base).zip(position.iter().zip(kind))
        {
            *to = f64::from(*base) + f64::from(*position) + f64::from(*kind);
        }
    }

    /// Centres and projects places.
    fn places(&self, places: &[u32]) -> Result<Places> {
        let (width, hidden) = (self.embedding_dim(), self.hidden_dim());
        let mut made = Places {
            centred: reserved(places.len(), width)?,
            folded: reserved(places.len(), hidden)?,
            squares: Vec::with_capacity(places.len()),
        };
        made.centred.resize(places.len() * width, 0.0);
        made.folded.resize(places.len() * hidden, 0.0);
        let (zeros, mut exact) = (vec![0.0; width], vec![0.0; width]);
        for (place, centred) in places.iter().zip(made.centred.chunks_exact_mut(width)) {
            self.add_place(*place, &mut exact, &zeros);
            made.squares.push(centre(&mut exact, centred));
        }
        let mut scratch = Scratch::default();
        let blocks = made.centred.chunks(BLOCK * width).zip(made.folded.chunks_mut(BLOCK * hidden));
        for (centred, folded) in blocks {
            self.project(&mut scratch, centred, folded);
        }
        Ok(made)
    }

    /// Up to [`BLOCK`] rows times `G`.
    fn project(&self, scratch: &mut Scratch<f32>, rows: &[f32], out: &mut [f32]) {
        let width = self.embedding_dim();
        match &self.folded {
            Some(panels) => panels.multiply(scratch, out, |i, row| {
                row.copy_from_slice(&rows[i * width..][..width]);
            }),
            None => {
                for (out, row) in out.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
                    for ((to, from), gamma) in out.iter_mut().zip(row).zip(&self.parts.gamma) {
                        *to = from * gamma;
                    }
                }
            }
        }
    }
}

/// `diag(gamma) P` and `beta P + b`.
fn fold(factors: &FactorizedEmbedding, parts: &AlbertParts) -> (Panels<f32>, Vec<f32>) {
    let (width, hidden) = (factors.embedding_dim(), factors.hidden_dim());
    let at = |k: usize, j: usize| factors.projection.get(k, j);
    let folded = Panels::pack(width, hidden, |k, j| parts.gamma[k] * at(k, j));
    let constant = |j: usize| {
        let bias = factors.bias.as_ref().map_or(0.0, |bias| f64::from(bias[j]));
        let sum: f64 = (0..width).map(|k| f64::from(parts.beta[k]) * f64::from(at(k, j))).sum();
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        let value = (bias + sum) as f32;
        value
    };
    (folded, (0..hidden).map(constant).collect())
}

/// Takes the mean away and rounds; gives the square of the length.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn centre(exact: &mut [f64], out: &mut [f32]) -> f32 {
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let mut square = 0.0;
    for (to, from) in out.iter_mut().zip(exact) {
        let value = *from - mean;
        square += value * value;
        *to = value as f32;
    }
    square as f32
}

/// Sorts items by the slot of each, of `count`; also given is where every slot's part ends.
fn sort_by_slot<T: Default>(
    items: impl Iterator<Item = T>,
    slots: &[u32],
    count: usize,
) -> (Vec<T>, Vec<usize>) {
    let mut ends = vec![0; count];
    for slot in slots {
        ends[*slot as usize] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        (*end, start) = (start, start + *end);
    }
    let mut sorted: Vec<T> = slots.iter().map(|_| T::default()).collect();
    for (item, slot) in items.zip(slots) {
        let next = &mut ends[*slot as usize];
        sorted[*next] = item;
        *next += 1;
    }
    (sorted, ends)
}

/// Converts numbers that must be less than `size`; else the index of the first other one, and it.
fn below<I: AnyId>(values: &[I], size: usize) -> std::result::Result<Vec<u32>, (usize, i128)> {
    let mut checked = Vec::with_capacity(values.len());
    for (at, &value) in values.iter().enumerate() {
        match value.try_into() {
            Ok(valid) if (valid as usize) < size => checked.push(valid),
            _ => return Err((at, value.into())),
        }
    }
    Ok(checked)
}

fn row_and_column(at: usize, length: Option<usize>) -> (Option<usize>, usize) {
    match length {
        Some(length) if length > 0 => (Some(at / length), at % length),
        _ => (None, at),
    }
}

fn outside(
    name: &'static str,
    (at, value): (usize, i128),
    length: Option<usize>,
    size: usize,
) -> Error {
    let (row, position) = row_and_column(at, length);
    let row = row.map_or_else(String::new, |row| format!(" of row {row}"));
    let given = format!("{value} at position {position}{row}");
    Error::argument(name, given, format!("from 0 to {}", size - 1))
}

fn rows_of(name: &'static str, numbers: usize, width: usize) -> Result<usize> {
    if width == 0 || numbers == 0 || !numbers.is_multiple_of(width) {
        let given = format!("{numbers} numbers");
        return Err(Error::argument(name, given, format!("one row or more of {width} numbers")));
    }
    Ok(numbers / width)
}

fn check_length(name: &'static str, values: &[f32], width: usize) -> Result<()> {
    if values.len() != width {
        let given = format!("{} numbers long", values.len());
        return Err(Error::argument(name, given, format!("{width} numbers long")));
    }
    finite(name, values)
}

fn check_eps(eps: f64) -> Result<()> {
    if eps.is_finite() && eps >= LEAST_EPS {
        return Ok(());
    }
    let wanted = format!("finite and at least {LEAST_EPS:e}");
    Err(Error::argument("layer_norm_eps", eps, wanted))
}

fn finite(name: &'static str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let given = format!("{} at position {at}", values[at]);
            Err(Error::argument(name, given, "finite"))
        }
    }
}

#[cfg(test)]
mod tests;
