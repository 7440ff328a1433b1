//! Many rows of ids back to text: flat results, threads.
//!
//! As for encoding, rows are cut into chunks, threads take the next chunk until none is left, and the
//! results are joined in order: text and errors are the same for any number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Tokenizer;
use super::decoding::{Decoding, UnknownIds};
use crate::decode::Form;
use crate::error::Result;
use crate::ids::TokenId;
use crate::unicode::utf8;

/// The texts of many rows, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchTexts {
    text: Vec<u8>,
    row_offsets: Vec<i64>,
}

impl Default for BatchTexts {
    fn default() -> Self {
        Self { text: Vec::new(), row_offsets: vec![0] }
    }
}

impl BatchTexts {
    /// The UTF-8 of all rows.
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// Row `n` is `bytes()[row_offsets()[n]..row_offsets()[n + 1]]`.
    pub fn row_offsets(&self) -> &[i64] {
        &self.row_offsets
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.row_offsets.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of row `index`; none past the end.
    pub fn get(&self, index: usize) -> Option<&str> {
        utf8::text(self.row(index)?).ok()
    }

    /// The bytes of a row: UTF-8, unless the check was put off.
    pub(crate) fn row(&self, index: usize) -> Option<&[u8]> {
        let at = |index: usize| usize::try_from(*self.row_offsets.get(index)?).ok();
        self.text.get(at(index)?..at(index.checked_add(1)?)?)
    }

    /// Forgets all rows and keeps the memory.
    #[cfg(feature = "python")]
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.row_offsets.truncate(1);
    }

    fn end_row(&mut self) {
        self.row_offsets.push(i64::try_from(self.text.len()).unwrap_or(i64::MAX));
    }

    fn append(&mut self, other: &Self) {
        let start = self.row_offsets.last().copied().unwrap_or(0);
        self.text.extend_from_slice(&other.text);
        self.row_offsets.extend(other.row_offsets.iter().skip(1).map(|end| start + end));
    }
}

/// When bytes that are no UTF-8 become U+FFFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// With the row.
    Now,
    /// When the caller looks at it: whoever makes strings of it checks them anyway.
    #[cfg(feature = "python")]
    Later,
}

/// How rows are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeRules {
    pub(crate) skip_special: bool,
    pub(crate) unknown: UnknownIds,
    pub(crate) check: Check,
}

/// Ids per chunk: some 100 microseconds of work, against 20 to start a thread.
pub(crate) const CHUNK_IDS: usize = 48 << 10;
/// More threads than this are never started.
const MAX_THREADS: usize = 512;

impl Tokenizer {
    /// The texts of rows, as [`Tokenizer::decode`] gives them, on up to `threads` threads, the caller's
    /// among them.
    ///
    /// # Errors
    /// That of the first row that has one, with the row's number.
    pub fn decode_batch<R: AsRef<[TokenId]> + Sync>(
        &self,
        rows: &[R],
        skip_special: bool,
        unknown: UnknownIds,
        threads: usize,
    ) -> Result<BatchTexts> {
        let mut texts = BatchTexts::default();
        let rules = DecodeRules { skip_special, unknown, check: Check::Now };
        self.decode_rows(rows, 0, rules, threads, &mut texts)?;
        Ok(texts)
    }

    /// Appends the texts of rows; `first` is the number of the first of them.
    ///
    /// # Errors
    /// As [`Tokenizer::decode_batch`]; then it is unknown what was appended.
    pub(crate) fn decode_rows<R: AsRef<[TokenId]> + Sync>(
        &self,
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        threads: usize,
        texts: &mut BatchTexts,
    ) -> Result<()> {
        let total: usize = rows.iter().map(|row| row.as_ref().len()).sum();
        let threads = threads.min(total / CHUNK_IDS).min(rows.len()).min(MAX_THREADS);
        if threads <= 1 {
            return self.decode_chunk(rows, first, rules, texts);
        }
        for chunk in self.decode_chunks(&cut(rows), rows, first, rules, threads) {
            texts.append(&chunk?);
        }
        Ok(())
    }

    fn decode_chunk<R: AsRef<[TokenId]>>(
        &self,
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        texts: &mut BatchTexts,
    ) -> Result<()> {
        let mut decoding = Decoding::new(self, rules.skip_special, rules.unknown, Form::Text);
        texts.row_offsets.reserve(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let start = texts.text.len();
            let appended = decoding.append(row.as_ref(), &mut texts.text);
            appended.map_err(|error| error.in_row(first + number))?;
            if rules.check == Check::Now {
                let row = texts.text.get(start..).unwrap_or_default();
                if !utf8::is_utf8(row) {
                    let replaced = String::from_utf8_lossy(row).into_owned();
                    texts.text.truncate(start);
                    texts.text.extend_from_slice(replaced.as_bytes());
                }
            }
            texts.end_row();
        }
        Ok(())
    }

    /// The results of chunks, up to the first error at least.
    fn decode_chunks<R: AsRef<[TokenId]> + Sync>(
        &self,
        chunks: &[std::ops::Range<usize>],
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        threads: usize,
    ) -> Vec<Result<BatchTexts>> {
        let next = AtomicUsize::new(0);
        // After an error no chunk is begun any more, but those before it are finished: one of them
        // may hold the first error.
        let failed = AtomicBool::new(false);
        let results: Mutex<Vec<Option<Result<BatchTexts>>>> =
            Mutex::new(chunks.iter().map(|_| None).collect());
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = chunks.get(number) else { return };
                let mut texts = BatchTexts::default();
                let rows = rows.get(range.clone()).unwrap_or_default();
                let done = self.decode_chunk(rows, first + range.start, rules, &mut texts);
                if done.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(result) = results.get_mut(number) {
                    *result = Some(done.map(|()| texts));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no more threads, those that there are do the work.
                let _started = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        // They are begun in order, so before the first error all are there.
        results.into_iter().flatten().collect()
    }
}

fn cut<R: AsRef<[TokenId]>>(rows: &[R]) -> Vec<std::ops::Range<usize>> {
    let (mut chunks, mut start, mut ids) = (Vec::new(), 0, 0);
    for (number, row) in rows.iter().enumerate() {
        ids += row.as_ref().len();
        if ids >= CHUNK_IDS {
            chunks.push(start..number + 1);
            (start, ids) = (number + 1, 0);
        }
    }
    if start < rows.len() {
        chunks.push(start..rows.len());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{AddedToken, TokenizerBuilder};
    use super::*;
    use crate::decode::{Decoder, decode_tokens};
    use crate::model::{Model, Vocab, WordLevel};
    use crate::pretokenize::PrependScheme;
    use crate::regex::Pattern;

    const TOKENS: [&str; 28] = [
        "a",
        "b",
        "##c",
        "##",
        "▁",
        "▁Hi",
        "▁you▁",
        "he</w>",
        "</w>",
        "<0xE2>",
        "<0x96>",
        "<0x81>",
        "<0x41>",
        "<0xFF>",
        ".",
        "n't",
        "Ã",
        "©",
        "Ġthe",
        "ÿ",
        "é",
        "一二三四五",
        "a word of fifteen",
        "fifteen bytes..",
        "sixteen bytes...",
        "▁▁▁▁▁▁▁▁▁▁▁▁",
        "",
        "\u{10FFFF}",
    ];

    fn decoders() -> Vec<Option<Decoder>> {
        let replace = |pattern: &str, content: &str| Decoder::Replace {
            pattern: Pattern::String(pattern.to_owned()),
            content: content.to_owned(),
        };
        let byte_level =
            || Decoder::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: true };
        let strip = |start, stop| Decoder::Strip { content: ' ', start, stop };
        let metaspace = |prepend| Decoder::Metaspace { replacement: '▁', prepend, split: true };
        let wordpiece = |cleanup| Decoder::WordPiece { prefix: "##".to_owned(), cleanup };
        let bpe = || Decoder::Bpe { suffix: "</w>".to_owned() };
        let regex =
            Decoder::Replace { pattern: Pattern::Regex("a+".into()), content: "-".to_owned() };
        let ctc = Decoder::Ctc {
            pad_token: "##".to_owned(),
            word_delimiter_token: "▁".to_owned(),
            cleanup: true,
        };
        let llama = vec![replace("▁", " "), Decoder::ByteFallback, Decoder::Fuse, strip(1, 0)];
        [
            byte_level(),
            Decoder::ByteFallback,
            Decoder::Fuse,
            strip(1, 1),
            metaspace(PrependScheme::Always),
            metaspace(PrependScheme::Never),
            wordpiece(true),
            wordpiece(false),
            bpe(),
            regex.clone(),
            ctc,
            Decoder::Sequence(llama),
            Decoder::Sequence(vec![bpe(), Decoder::ByteFallback, Decoder::Fuse]),
            Decoder::Sequence(vec![wordpiece(true), byte_level(), regex]),
            Decoder::Sequence(vec![Decoder::ByteFallback, metaspace(PrependScheme::First)]),
            Decoder::Sequence(vec![replace("▁Hi", "<0x41>"), Decoder::ByteFallback]),
        ]
        .into_iter()
        .map(Some)
        .chain([None])
        .collect()
    }

    fn tokenizer(decoder: Option<Decoder>) -> Tokenizer {
        // Every other id is nobody's.
        let vocab = (0..).step_by(2).zip(TOKENS).map(|(id, token)| (token.to_owned(), id));
        let model = WordLevel::new(Vocab::new(vocab.collect()).unwrap(), "a").unwrap();
        let mut declared = TokenizerBuilder::new(Model::WordLevel(model));
        declared.decoder = decoder;
        declared.added_tokens = ["b", "<0x96>", "a long special token"]
            .map(|token| AddedToken::new(token, true))
            .into();
        Tokenizer::build(declared).unwrap()
    }

    /// The tokens that are left, or the position of the first id without one.
    fn tokens(
        tokenizer: &Tokenizer,
        ids: &[u32],
        skip_special: bool,
        unknown: UnknownIds,
    ) -> std::result::Result<Vec<String>, usize> {
        let mut tokens = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            match tokenizer.id_to_token(id) {
                Some(_) if skip_special && tokenizer.is_special(id) => {}
                Some(token) => tokens.push(token.to_owned()),
                None if unknown == UnknownIds::Skip => {}
                None => return Err(position),
            }
        }
        Ok(tokens)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The table against the steps, over every decoder.
        #[test]
        fn rows_are_what_their_tokens_give(
            picks in proptest::collection::vec((0usize..40, any::<bool>()), 0..60),
            strange in proptest::option::of((any::<prop::sample::Index>(), any::<u32>())),
        ) {
            let mut ids: Vec<u32> = picks.iter().map(|&(pick, run)| {
                // Runs of byte tokens are what groups are about.
                u32::try_from(if run { 2 * (9 + pick % 5) } else { 2 * (pick % 29) }).unwrap()
            }).collect();
            if let Some((at, id)) = strange && !ids.is_empty() {
                let at = at.index(ids.len());
                ids[at] = id;
            }
            for decoder in decoders() {
                let tokenizer = tokenizer(decoder.clone());
                for skip_special in [false, true] {
                    for unknown in [UnknownIds::Error, UnknownIds::Skip] {
                        let given = tokenizer.decode(&ids, skip_special, unknown);
                        let batch = tokenizer.decode_batch(&[&ids[..]], skip_special, unknown, 1);
                        match tokens(&tokenizer, &ids, skip_special, unknown) {
                            Ok(tokens) => {
                                let tokens = tokens.iter().map(String::as_str);
                                let wanted = decode_tokens(decoder.as_ref(), tokens).unwrap();
                                prop_assert_eq!(&given.unwrap(), &wanted, "{:?}", decoder);
                                let batch = batch.unwrap();
                                prop_assert_eq!(batch.get(0), Some(&*wanted));
                            }
                            Err(position) => {
                                let told = format!("at position {position} ");
                                prop_assert!(given.unwrap_err().to_string().contains(&told));
                                let error = batch.unwrap_err().to_string();
                                prop_assert!(error.contains("row 0"), "{error}");
                            }
                        }
                    }
                }
                let known: Vec<u32> =
                    ids.iter().copied().filter(|&id| tokenizer.id_to_token(id).is_some()).collect();
                let (text, starts) = tokenizer.decode_with_offsets(&known).unwrap();
                prop_assert_eq!(starts.len(), known.len());
                prop_assert_eq!(text, tokenizer.decode(&known, false, UnknownIds::Error).unwrap());
            }
        }
    }

    #[test]
    fn batches_are_the_same_for_any_number_of_threads() {
        let tokenizer = tokenizer(decoders()[0].clone());
        let id = |row: usize, at: usize| u32::try_from((row * 7 + at * at) % 28 * 2).unwrap();
        let mut rows: Vec<Vec<u32>> =
            (0..400).map(|row| (0..row * 3).map(|at| id(row, at)).collect()).collect();
        let one = tokenizer.decode_batch(&rows, false, UnknownIds::Error, 1).unwrap();
        assert_eq!((one.len(), one.row_offsets().len()), (400, 401));
        for (number, row) in rows.iter().enumerate() {
            let wanted = tokenizer.decode(row, false, UnknownIds::Error).unwrap();
            assert_eq!(one.get(number), Some(&*wanted));
        }
        for threads in [0, 2, 3, 64] {
            let some = tokenizer.decode_batch(&rows, false, UnknownIds::Error, threads).unwrap();
            assert_eq!(some, one);
        }
        rows[211][600] = 1;
        rows[390][5] = 1;
        for threads in [1, 2, 7] {
            let error = tokenizer.decode_batch(&rows, false, UnknownIds::Error, threads);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("row 211") && error.contains("position 600"), "{error}");
        }
        let none = tokenizer.decode_batch::<Vec<u32>>(&[], true, UnknownIds::Error, 4).unwrap();
        assert!(none.is_empty() && none.get(0).is_none() && none.get(usize::MAX).is_none());
    }
}
