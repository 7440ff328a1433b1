//! Words and how often they occur: what counting makes and training takes.
//!
//! Counts add up: of several files, of several machines, with weights. They carry a manifest that says
//! how the text was cut into words, and what was cut differently is never added.

// One arena of bytes with ends, ordered by bytes: compact, reproducible, and a sum of two is a merge of
// two sorted lists.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::alphabet::Words;
use super::count::Sorted;
use crate::error::{Error, Result};

/// How words were counted, and from what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The pre-tokenizer, as a component of `tokenizer.json`.
    pub pretokenizer: String,
    /// The normalizer, likewise; `null` when there was none.
    pub normalizer: String,
    /// The Unicode version of the classes that split patterns use.
    pub unicode: String,
    /// Files, or what else the documents came from.
    pub sources: Vec<String>,
    /// The number of documents.
    pub documents: u64,
    /// Bytes of text, before normalisation.
    pub bytes: u64,
    /// The version of this library.
    pub version: String,
}

impl Manifest {
    /// Whether words were cut in the same way; sources and totals may differ.
    ///
    /// # Errors
    /// [`Error::Training`] says what differs.
    pub fn check_same_words(&self, other: &Self) -> Result<()> {
        let parts = [
            ("pretokenizer", &self.pretokenizer, &other.pretokenizer),
            ("normalizer", &self.normalizer, &other.normalizer),
            ("Unicode version", &self.unicode, &other.unicode),
        ];
        for (what, ours, theirs) in parts {
            if ours != theirs {
                let problem =
                    format!("counts of different {what}s do not add up: {ours}, {theirs}");
                return Err(Error::training(problem));
            }
        }
        Ok(())
    }
}

/// Words, ordered by bytes, with how often they occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`.
    ends: Vec<usize>,
    times: Vec<u64>,
    manifest: Manifest,
}

impl Counts {
    pub(crate) fn from_sorted(sorted: &Sorted, manifest: Manifest) -> Self {
        let mut counts = Self { manifest, ..Self::default() };
        sorted.each(|word, count| counts.push(word, count));
        counts
    }

    /// Counts from outside, in any order.
    ///
    /// # Errors
    /// [`Error::Format`] when a word is empty or occurs twice.
    pub fn from_words(mut words: Vec<(&[u8], u64)>, manifest: Manifest) -> Result<Self> {
        words.sort_unstable();
        let mut counts = Self { manifest, ..Self::default() };
        counts.ends.reserve_exact(words.len());
        counts.times.reserve_exact(words.len());
        let mut last: &[u8] = &[];
        for (word, count) in words {
            if word == last {
                let problem = if word.is_empty() {
                    "a word is empty".to_owned()
                } else {
                    format!("the word {:?} occurs twice", String::from_utf8_lossy(word))
                };
                return Err(Error::format("word counts", "", problem));
            }
            counts.push(word, count);
            last = word;
        }
        Ok(counts)
    }

    fn push(&mut self, word: &[u8], count: u64) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        self.times.push(count);
    }

    /// The number of distinct words.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How the words were counted.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn set_sources(&mut self, sources: Vec<String>) {
        self.manifest.sources = sources;
    }

    /// The words, ordered by bytes, and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.zip(&self.times).map(|((start, &end), &count)| (&self.bytes[start..end], count))
    }

    /// The bytes of all words in a row, where each ends, and the counts.
    pub fn parts(&self) -> (&[u8], &[usize], &[u64]) {
        (&self.bytes, &self.ends, &self.times)
    }

    /// All occurrences together.
    ///
    /// # Errors
    /// [`Error::Training`] when the sum does not fit into 64 bits.
    pub fn total(&self) -> Result<u64> {
        let sum = self.times.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        sum.ok_or_else(|| Error::training("the counts add up to 2^64 or more"))
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`Error::Training`] when they were counted differently, or when a sum does not fit into 64 bits.
    pub fn add(&self, other: &Self) -> Result<Self> {
        let mut manifest = self.manifest.clone();
        manifest.check_same_words(&other.manifest)?;
        manifest.sources.extend_from_slice(&other.manifest.sources);
        manifest.documents = manifest.documents.saturating_add(other.manifest.documents);
        manifest.bytes = manifest.bytes.saturating_add(other.manifest.bytes);

        let mut sum = Self { manifest, ..Self::default() };
        sum.bytes.reserve(self.bytes.len().max(other.bytes.len()));
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (Some(one), Some(two)) => one.0.cmp(two.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Ok(sum),
            };
            let one = if order.is_le() { ours.next() } else { None };
            let two = if order.is_ge() { theirs.next() } else { None };
            let Some(word) = one.or(two).map(|(word, _)| word) else { return Ok(sum) };
            let [one, two] = [one, two].map(|entry| entry.map_or(0, |(_, count)| count));
            sum.push(word, one.checked_add(two).ok_or_else(|| too_often(word))?);
        }
    }

    /// The sum of all of them.
    ///
    /// # Errors
    /// [`Error::Argument`] when there are none; else as [`Counts::add`].
    pub fn merge<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Result<Self> {
        // Neighbours first, so that each word is copied a logarithmic number of times.
        let mut sums: Vec<(u32, Self)> = Vec::new();
        for part in parts {
            let (mut level, mut sum) = (0, part.clone());
            while let Some((_, before)) = sums.pop_if(|(other, _)| *other == level) {
                sum = before.add(&sum)?;
                level += 1;
            }
            sums.push((level, sum));
        }
        let mut sums = sums.into_iter().rev().map(|(_, sum)| sum);
        let last =
            sums.next().ok_or_else(|| Error::argument("parts", "empty", "one or more counts"))?;
        sums.try_fold(last, |sum, before| before.add(&sum))
    }

    /// Every count `weight` times.
    ///
    /// # Errors
    /// [`Error::Training`] when a product does not fit into 64 bits.
    pub fn times(&self, weight: u64) -> Result<Self> {
        let mut product = self.clone();
        for (at, count) in product.times.iter_mut().enumerate() {
            let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
            let word = || too_often(&self.bytes[start..self.ends[at]]);
            *count = count.checked_mul(weight).ok_or_else(word)?;
        }
        Ok(product)
    }
}

impl Words for Counts {
    fn each(&self, word: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|(bytes, count)| word(bytes, count))
    }
}

#[cold]
fn too_often(word: &[u8]) -> Error {
    let word = String::from_utf8_lossy(word);
    Error::training(format!("the word {word:?} would occur 2^64 times or more"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn counts(words: &[(&str, u64)]) -> Counts {
        let words = words.iter().map(|(word, count)| (word.as_bytes(), *count)).collect();
        Counts::from_words(words, Manifest::default()).unwrap()
    }

    fn of(map: &BTreeMap<Vec<u8>, u64>) -> Counts {
        let words = map.iter().map(|(word, &count)| (word.as_slice(), count)).collect();
        Counts::from_words(words, Manifest::default()).unwrap()
    }

    proptest! {
        #[test]
        fn a_sum_is_that_of_the_maps(
            maps in vec(btree_map(vec(0..3_u8, 1..4), 0..9_u64, 0..20), 1..9)
        ) {
            let mut want: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for (word, count) in maps.iter().flatten() {
                *want.entry(word.clone()).or_default() += count;
            }
            let parts: Vec<Counts> = maps.iter().map(of).collect();
            prop_assert_eq!(Counts::merge(&parts).unwrap(), of(&want));
        }
    }

    #[test]
    fn words_come_ordered_and_weights_multiply() {
        let both = counts(&[("b", 1), ("a", 2)]).add(&counts(&[("ab", 5), ("b", 1)])).unwrap();
        let words: Vec<_> = both.iter().collect();
        assert_eq!(words, [(&b"a"[..], 2), (b"ab", 5), (b"b", 2)]);
        assert_eq!(both.times(3).unwrap().total().unwrap(), 27);
    }

    #[test]
    fn sums_that_do_not_fit_are_errors() {
        let high = counts(&[("a", u64::MAX), ("b", 1)]);
        for error in [
            high.add(&counts(&[("a", 1)])).unwrap_err(),
            high.times(2).unwrap_err(),
            high.total().unwrap_err(),
        ] {
            assert!(error.to_string().contains("2^64"), "{error}");
        }
    }

    #[test]
    fn what_was_counted_differently_does_not_add_up() {
        let manifest = Manifest { pretokenizer: "x".into(), ..Manifest::default() };
        let other = Counts::from_words(vec![(b"a", 1)], manifest).unwrap();
        let error = counts(&[("a", 1)]).add(&other).unwrap_err();
        assert!(error.to_string().contains("pretokenizer"), "{error}");
    }

    #[test]
    fn bad_words_are_errors() {
        for words in [vec![(&b"a"[..], 1), (b"a", 2)], vec![(b"", 1)]] {
            let error = Counts::from_words(words, Manifest::default()).unwrap_err();
            assert!(error.to_string().starts_with("word counts: "), "{error}");
        }
        assert!(Counts::merge([]).is_err());
    }
}
