//! Texts to vectors in one call: a tokenizer, a table of vectors, and how the vectors of a text's
//! tokens become one.

// Rows are taken in groups of a megabyte or two: their ids are encoded and pooled while they are
// still in the cache, the memory for ids is bounded, and between groups the caller may stop. A row's
// vector depends on the row alone, so groups and threads change no bit.

use std::sync::Arc;

use crate::embed::{FactorizedEmbedding, PoolMode, PoolOptions, PoolRows};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::tokenizer::{BatchIds, BatchRow, EncodeOptions, Input, Tokenizer};

/// Text of a group of rows: enough work for several threads.
const GROUP_BYTES: usize = 2 << 20;

/// Rows of a group: what empty texts are cut by.
const GROUP_ROWS: usize = 1 << 16;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Debug, Default)]
pub struct TextPooling {
    /// Mean, sum or maximum. A mean is the sum divided by the number of tokens, weighted or not, as in
    /// "A simple but tough-to-beat baseline for sentence embeddings" (Arora et al. 2017).
    pub mode: PoolMode,
    /// Scale the results to length 1; zeros stay zeros.
    pub normalize: bool,
    /// The weight of every id of the tokenizer; 1 for all when missing.
    pub weights: Option<Vec<f32>>,
    /// The row of the table for every id of the tokenizer; the id itself when missing.
    pub rows: Option<Vec<TokenId>>,
    /// Ids that are left out, and do not count.
    pub skip: Vec<TokenId>,
}

impl TextPooling {
    /// Whether ids go to the table as they come.
    fn is_plain(&self) -> bool {
        self.weights.is_none() && self.rows.is_none() && self.skip.is_empty()
    }
}

/// Turns texts into vectors. Immutable, and safe to share between threads.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use subtok::{EncodeOptions, FactorizedEmbedding, TextEmbedder, TextPooling, Tokenizer, from_json};
///
/// let json = br#"{"model": {"type": "WordLevel", "vocab": {"low": 0, "?": 1}, "unk_token": "?"}}"#;
/// let tokenizer = Tokenizer::build(from_json(json)?)?;
/// let table = FactorizedEmbedding::new(tokenizer.id_limit(), 16, 64, 0, None, false)?;
/// let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
/// let embedder = TextEmbedder::new(tokenizer, Arc::new(table), options, TextPooling::default())?;
/// let vectors = embedder.embed(&["lower", ""], 1)?;
/// assert_eq!(vectors.len(), 2 * 64);
/// # Ok::<(), subtok::Error>(())
/// ```
#[derive(Debug)]
pub struct TextEmbedder {
    tokenizer: Tokenizer,
    embedding: Arc<FactorizedEmbedding>,
    options: EncodeOptions,
    pooling: TextPooling,
    /// Whether an id is left out; empty where none is.
    skipped: Vec<bool>,
}

impl TextEmbedder {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`Error::Argument`] when the table has no row for an id of the tokenizer, when lists by id do
    /// not have as many entries as the tokenizer has ids, when a weight is negative or not finite, or
    /// when weights are given for a maximum.
    pub fn new(
        tokenizer: Tokenizer,
        embedding: Arc<FactorizedEmbedding>,
        options: EncodeOptions,
        pooling: TextPooling,
    ) -> Result<Self> {
        let (limit, rows) = (tokenizer.id_limit(), embedding.vocab_size());
        if options.padding.is_some() {
            return Err(Error::argument(
                "padding",
                "given",
                "missing: texts are pooled as they are",
            ));
        }
        match &pooling.rows {
            None if rows < limit => {
                let given = format!("a table for {rows} ids");
                let wanted = format!("for at least {limit}, which the tokenizer has");
                return Err(Error::argument("embedding", given, wanted));
            }
            None => {}
            Some(map) => {
                check_length("rows", map.len(), limit)?;
                if let Some(id) = map.iter().position(|row| *row as usize >= rows) {
                    let given = format!("{} for id {id}", map[id]);
                    return Err(Error::argument("rows", given, format!("less than {rows}")));
                }
            }
        }
        if let Some(weights) = &pooling.weights {
            check_length("weights", weights.len(), limit)?;
            if pooling.mode == PoolMode::Max {
                return Err(Error::argument("weights", "given", "missing for a maximum"));
            }
            let wrong = |weight: &f32| !(weight.is_finite() && *weight >= 0.0);
            if let Some(id) = weights.iter().position(wrong) {
                let given = format!("{} for id {id}", weights[id]);
                return Err(Error::argument("weights", given, "finite and not negative"));
            }
        }
        let mut skipped = Vec::new();
        for &id in &pooling.skip {
            skipped.resize(limit, false);
            let Some(skip) = skipped.get_mut(id as usize) else {
                return Err(Error::argument("skip", id, format!("less than {limit}")));
            };
            *skip = true;
        }
        Ok(Self { tokenizer, embedding, options, pooling, skipped })
    }

    /// The width of the vectors.
    pub fn hidden_dim(&self) -> usize {
        self.embedding.hidden_dim()
    }

    /// The vectors of texts, one after the other; a text without tokens gives zeros.
    ///
    /// # Errors
    /// The error of the first text that has one, with its row.
    pub fn embed(&self, texts: &[&str], threads: usize) -> Result<Vec<f32>> {
        let rows: Vec<_> =
            texts.iter().map(|&text| BatchRow { input: Input::Text(text), pair: None }).collect();
        let mut out = vec![0.0; texts.len() * self.hidden_dim()];
        self.embed_into(&rows, &mut out, threads, &mut || Ok(()))?;
        Ok(out)
    }

    /// Writes the vector of every row into `out`, on up to `threads` threads, 0 for as many as the
    /// machine allows. `poll` is called every megabyte or so; its error ends the call.
    ///
    /// # Errors
    /// The error of the first row that has one, with the row's number; `poll`'s; [`Error::Argument`]
    /// when `out` has another length than the vectors together.
    pub fn embed_into(
        &self,
        rows: &[BatchRow<'_>],
        out: &mut [f32],
        threads: usize,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let width = self.hidden_dim();
        if rows.len().checked_mul(width) != Some(out.len()) {
            let given = format!("{} numbers long", out.len());
            let wanted = format!("{} x {width} long", rows.len());
            return Err(Error::argument("out", given, wanted));
        }
        let mut first = 0;
        while first < rows.len() {
            let end = group_end(rows, first);
            let batch = self
                .tokenizer
                .encode_batch(&rows[first..end], &self.options, threads, poll)
                .map_err(|error| shifted(error, first))?;
            self.pool(&batch, &mut out[first * width..end * width], threads)?;
            poll()?;
            first = end;
        }
        Ok(())
    }

    /// Pools the ids of some rows.
    fn pool(&self, batch: &BatchIds, out: &mut [f32], threads: usize) -> Result<()> {
        let threads = if threads == 0 { crate::threads::available() } else { threads };
        let offset = |at: &i64| usize::try_from(*at).unwrap_or(0);
        let mut offsets: Vec<usize> = batch.row_offsets.iter().map(offset).collect();
        let TextPooling { mode, normalize, .. } = self.pooling;
        let plain = PoolOptions { mode, weights: None, normalize };
        if self.pooling.is_plain() {
            let rows = PoolRows::Offsets(&offsets);
            return self.embedding.pool_into(&batch.ids, rows, &plain, out, threads);
        }
        let mut ids = Vec::with_capacity(batch.ids.len());
        let mut weights = Vec::new();
        let (mut begin, mut kept) = (0, 0);
        for offset in offsets.iter_mut().skip(1) {
            let row = begin..*offset;
            begin = row.end;
            let row = batch.ids.get(row).unwrap_or_default();
            let is_kept = |id: &TokenId| !self.skipped.get(*id as usize).is_some_and(|skip| *skip);
            let there = || row.iter().copied().filter(is_kept);
            if let Some(by_id) = &self.pooling.weights {
                let weight = |id: TokenId| by_id.get(id as usize).copied().unwrap_or(0.0);
                let count = if mode == PoolMode::Mean { there().count().max(1) } else { 1 };
                let share = 1.0 / count as f64;
                #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
                weights.extend(there().map(|id| (f64::from(weight(id)) * share) as f32));
            }
            let map = self.pooling.rows.as_deref();
            let row_of =
                |id: TokenId| map.map_or(id, |map| map.get(id as usize).copied().unwrap_or(id));
            ids.extend(there().map(row_of));
            kept = ids.len();
            *offset = kept;
        }
        debug_assert_eq!(kept, ids.len());
        let rows = PoolRows::Offsets(&offsets);
        let weighted = self.pooling.weights.is_some();
        let options = PoolOptions {
            mode: if weighted { PoolMode::Sum } else { mode },
            weights: weighted.then_some(&weights),
            normalize,
        };
        self.embedding.pool_into(&ids, rows, &options, out, threads)
    }
}

/// The end of the group that begins with row `first`.
fn group_end(rows: &[BatchRow<'_>], first: usize) -> usize {
    let mut bytes = 0;
    let most = rows.len().min(first + GROUP_ROWS);
    for (end, row) in (first + 1..most).zip(&rows[first..]) {
        bytes += row.input.bytes();
        if bytes >= GROUP_BYTES {
            return end;
        }
    }
    most
}

/// The error of a group with the row's number in the whole call.
fn shifted(mut error: Error, first: usize) -> Error {
    if let Error::Text { row: Some(row), .. } | Error::UnknownId { row: Some(row), .. } = &mut error
    {
        *row += first;
    }
    error
}

fn check_length(name: &'static str, given: usize, wanted: usize) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    let wanted = format!("one for each of the tokenizer's {wanted} ids");
    Err(Error::argument(name, format!("{given} long"), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    fn tokenizer() -> Tokenizer {
        let words =
            ["[UNK]", "slow", "and", "lower", "x", "the", "newest", ",", "widest", "one", "low"];
        let vocab: Vec<String> =
            words.iter().enumerate().map(|(id, word)| format!("{word:?}: {id}")).collect();
        let json = format!(
            r#"{{"model": {{"type": "WordLevel", "vocab": {{{}}}, "unk_token": "[UNK]"}},
                "pre_tokenizer": {{"type": "Whitespace"}}}}"#,
            vocab.join(", ")
        );
        let declared = formats::from_json(json.as_bytes()).expect("valid");
        Tokenizer::build(declared).expect("valid")
    }

    fn options() -> EncodeOptions {
        EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() }
    }

    fn embedding(rows: usize) -> Arc<FactorizedEmbedding> {
        Arc::new(FactorizedEmbedding::new(rows, 6, 17, 3, None, false).expect("valid sizes"))
    }

    const TEXTS: [&str; 5] = ["slow and lower", "", "x", "the newest, widest one", "low low low"];

    /// What the embedder is to compute, by the rows of the table and in 64 bits.
    fn naive(
        tokenizer: &Tokenizer,
        embedding: &FactorizedEmbedding,
        pooling: &TextPooling,
        text: &str,
    ) -> Vec<f64> {
        let mut ids = Vec::new();
        tokenizer.encode_ids(Input::Text(text), None, &options(), &mut ids).expect("encoded");
        ids.retain(|id| !pooling.skip.contains(id));
        let mut result = vec![0.0; embedding.hidden_dim()];
        for (number, id) in ids.iter().enumerate() {
            let at = *id as usize;
            let row = pooling.rows.as_ref().map_or(*id, |rows| rows[at]);
            let weight = pooling.weights.as_ref().map_or(1.0, |weights| f64::from(weights[at]));
            for (sum, x) in result.iter_mut().zip(embedding.lookup(&[row], 1).expect("in range")) {
                let x = f64::from(x) * weight;
                *sum = match pooling.mode {
                    PoolMode::Max if number > 0 => f64::max(*sum, x),
                    PoolMode::Max => x,
                    PoolMode::Sum => *sum + x,
                    PoolMode::Mean => *sum + x / ids.len() as f64,
                };
            }
        }
        result
    }

    #[test]
    fn vectors_equal_the_naive_ones() {
        let tokenizer = tokenizer();
        let limit = tokenizer.id_limit();
        let embedding = embedding(limit);
        let weights = (0..limit).map(|id| (id % 5) as f32 / 4.0).collect::<Vec<_>>();
        let map = [0, 7, 5, 3, 1, 8, 6, 4, 2].into_iter().cycle().take(limit).collect::<Vec<_>>();
        let skip = vec![0, 3, 3, 10];
        for mode in [PoolMode::Mean, PoolMode::Sum, PoolMode::Max] {
            for case in 0..8 {
                let pooling = TextPooling {
                    mode,
                    normalize: false,
                    weights: (case & 1 != 0 && mode != PoolMode::Max).then(|| weights.clone()),
                    rows: (case & 2 != 0).then(|| map.clone()),
                    skip: if case & 4 != 0 { skip.clone() } else { Vec::new() },
                };
                let made = TextEmbedder::new(
                    tokenizer.clone(),
                    Arc::clone(&embedding),
                    options(),
                    pooling.clone(),
                )
                .expect("valid");
                let got = made.embed(&TEXTS, 1).expect("embedded");
                assert_eq!(got, made.embed(&TEXTS, 3).expect("embedded"));
                for (text, got) in TEXTS.iter().zip(got.chunks(17)) {
                    let want = naive(&tokenizer, &embedding, &pooling, text);
                    for (got, want) in got.iter().zip(want) {
                        let error = (f64::from(*got) - want).abs();
                        assert!(error < 1e-7, "{mode:?}, case {case}, {text:?}: {got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn groups_do_not_show() {
        let tokenizer = tokenizer();
        let embedding = embedding(tokenizer.id_limit());
        let made = TextEmbedder::new(tokenizer, embedding, options(), TextPooling::default())
            .expect("valid");
        let long = "lower and slower ".repeat(GROUP_BYTES / 40);
        let texts: Vec<&str> =
            (0..300).map(|i| if i % 100 == 7 { &long } else { TEXTS[i % 5] }).collect();
        let mut polls = 0;
        let rows: Vec<_> =
            texts.iter().map(|text| BatchRow { input: Input::Text(text), pair: None }).collect();
        let mut all = vec![0.0; texts.len() * 17];
        let mut poll = || {
            polls += 1;
            Ok(())
        };
        made.embed_into(&rows, &mut all, 2, &mut poll).expect("embedded");
        assert!(polls >= 2);
        for (text, got) in texts.iter().zip(all.chunks(17)) {
            assert_eq!(got, made.embed(&[text], 1).expect("embedded"));
        }
        let stopped = made.embed_into(&rows, &mut all, 1, &mut || Err(Error::Interrupted));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert!(made.embed_into(&rows, &mut all[1..], 1, &mut || Ok(())).is_err());
    }

    #[test]
    fn the_row_of_an_error_counts_from_the_first_row_of_the_call() {
        let text = Error::Text { problem: "x", unit: "byte", position: 1, row: Some(2) };
        assert!(matches!(shifted(text, 40), Error::Text { row: Some(42), .. }));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let tokenizer = tokenizer();
        let limit = tokenizer.id_limit();
        let refused = |rows, pooling| {
            TextEmbedder::new(tokenizer.clone(), embedding(rows), options(), pooling)
                .expect_err("must be refused")
                .to_string()
        };
        let plain = TextPooling::default;
        assert!(refused(limit - 1, plain()).contains("a table for"));
        let weights = |weights| TextPooling { weights: Some(weights), ..plain() };
        assert!(refused(limit, weights(vec![1.0])).contains("1 long"));
        let mut bad = vec![1.0; limit];
        bad[4] = f32::NAN;
        assert!(refused(limit, weights(bad)).contains("NaN for id 4"));
        let max = TextPooling { mode: PoolMode::Max, ..weights(vec![1.0; limit]) };
        assert!(refused(limit, max).contains("maximum"));
        let rows = |rows| TextPooling { rows: Some(rows), ..plain() };
        assert!(refused(3, rows(vec![3; limit])).contains("3 for id 0"));
        assert!(refused(3, rows(vec![0])).contains("1 long"));
        let skip = TextPooling { skip: vec![TokenId::try_from(limit).expect("small")], ..plain() };
        assert!(refused(limit, skip).contains("skip"));
    }
}
