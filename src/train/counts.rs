//! Words and how often they occur: what counting makes and training takes.
//!
//! Counts add up: of several files, of several machines, with weights. They carry a manifest that says
//! how the text was cut into words, and what was cut differently is never added.

// One arena of bytes with ends, ordered by bytes: compact, reproducible, and a sum of two is a merge of
// two sorted lists.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::alphabet::Words;
use super::manifest::{Manifest, TextSource};
use crate::error::{Error, Result};

/// Words, ordered by bytes, with how often they occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`.
    ends: Vec<usize>,
    /// How often each word counts: its occurrences in all sources, times their weights.
    times: Vec<u64>,
    /// How often it occurs in each source; nothing where that is all in `times`: one source of weight 1.
    columns: Vec<Vec<u64>>,
    manifest: Manifest,
}

impl Counts {
    /// For words that [`Counts::push`] adds, each with its occurrences in the sources of the manifest.
    pub(crate) fn new(manifest: Manifest) -> Self {
        let columns = match manifest.sources.as_slice() {
            [] => Vec::new(),
            [one] if one.weight == 1 => Vec::new(),
            sources => vec![Vec::new(); sources.len()],
        };
        Self { columns, manifest, ..Self::default() }
    }

    /// Adds a word that comes after all others, with a number for each source.
    ///
    /// # Errors
    /// [`Error::Training`] when the weighted sum does not fit into 64 bits.
    pub(crate) fn push(&mut self, word: &[u8], counts: &[u64]) -> Result<()> {
        let times = if let (true, &[count]) = (self.columns.is_empty(), counts) {
            count
        } else {
            let sum = weighted(counts, &self.manifest.sources).ok_or_else(|| too_often(word))?;
            self.columns.iter_mut().zip(counts).for_each(|(column, &count)| column.push(count));
            sum
        };
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        self.times.push(times);
        Ok(())
    }

    /// Adds the words of another, which come after all of these; both have the same sources.
    pub(crate) fn append(&mut self, other: &Self) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        self.times.extend_from_slice(&other.times);
        let columns = self.columns.iter_mut().zip(&other.columns);
        columns.for_each(|(ours, theirs)| ours.extend_from_slice(theirs));
    }

    /// Makes room for so many more words of so many bytes.
    pub(crate) fn reserve(&mut self, words: usize, bytes: usize) {
        self.bytes.reserve_exact(bytes);
        self.ends.reserve_exact(words);
        self.times.reserve_exact(words);
        self.columns.iter_mut().for_each(|column| column.reserve_exact(words));
    }

    /// The memory that its words take.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + self.ends.len() * (size_of::<usize>() + 8 * (1 + self.columns.len()))
    }

    /// Counts from outside, in any order; they have one source at most.
    ///
    /// # Errors
    /// [`Error::Format`] when a word is empty or occurs twice, or when the manifest names several sources.
    pub fn from_words(words: Vec<(&[u8], u64)>, manifest: Manifest) -> Result<Self> {
        let (words, counts): (Vec<&[u8]>, Vec<u64>) = words.into_iter().unzip();
        if manifest.sources.len() > 1 || manifest.sources.iter().any(|source| source.weight != 1) {
            let problem = "the manifest has sources that are counted apart, and there is one count";
            return Err(Error::format(FORMAT, "", problem));
        }
        Self::from_columns(&words, &[counts], manifest)
    }

    /// Counts from outside, in any order, with a column for each source of the manifest.
    ///
    /// # Errors
    /// [`Error::Format`] when a word is empty or occurs twice, or when columns are missing;
    /// [`Error::Training`] when a weighted sum does not fit into 64 bits.
    pub fn from_columns(words: &[&[u8]], columns: &[Vec<u64>], manifest: Manifest) -> Result<Self> {
        let sources = manifest.sources.len().max(1);
        if columns.len() != sources || columns.iter().any(|column| column.len() != words.len()) {
            let problem =
                format!("{} columns for {} words of {sources} sources", columns.len(), words.len());
            return Err(Error::format(FORMAT, "", problem));
        }
        let mut order: Vec<usize> = (0..words.len()).collect();
        if !words.is_sorted() {
            order.sort_unstable_by_key(|&at| words[at]);
        }
        let mut counts = Self::new(manifest);
        counts.reserve(words.len(), words.iter().map(|word| word.len()).sum());
        let mut last: &[u8] = &[];
        let mut row = Vec::with_capacity(columns.len());
        for at in order {
            let word = words[at];
            if word == last {
                let problem = if word.is_empty() {
                    "a word is empty".to_owned()
                } else {
                    format!("the word {:?} occurs twice", String::from_utf8_lossy(word))
                };
                return Err(Error::format(FORMAT, "", problem));
            }
            row.clear();
            row.extend(columns.iter().map(|column| column[at]));
            counts.push(word, &row)?;
            last = word;
        }
        Ok(counts)
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

    /// The words, ordered by bytes, and how often they count.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.words().zip(self.times.iter().copied())
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn word(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The bytes of all words in a row, where each ends, and how often they count.
    pub fn parts(&self) -> (&[u8], &[usize], &[u64]) {
        (&self.bytes, &self.ends, &self.times)
    }

    /// How often the words occur in each source of the manifest.
    pub fn columns(&self) -> Vec<&[u64]> {
        if self.columns.is_empty() {
            return vec![&self.times];
        }
        self.columns.iter().map(Vec::as_slice).collect()
    }

    /// All occurrences together, with weights.
    ///
    /// # Errors
    /// [`Error::Training`] when the sum does not fit into 64 bits.
    pub fn total(&self) -> Result<u64> {
        let sum = self.times.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        sum.ok_or_else(|| Error::training("the counts add up to 2^64 or more"))
    }

    /// The sum of both. Sources of the same name become one; where their weights differ, weights are
    /// multiplied into the counts.
    ///
    /// # Errors
    /// [`Error::Training`] when they were counted differently, or when a sum does not fit into 64 bits.
    pub fn add(&self, other: &Self) -> Result<Self> {
        let mut manifest = self.manifest.clone();
        manifest.check_adds_up(&other.manifest)?;
        for (token, &found) in &other.manifest.special_tokens {
            let sum = manifest.special_tokens.entry(token.clone()).or_default();
            *sum = sum.saturating_add(found);
        }
        manifest.documents = manifest.documents.saturating_add(other.manifest.documents);
        manifest.bytes = manifest.bytes.saturating_add(other.manifest.bytes);
        // Their sources as numbers of ours, and by how much each count is multiplied.
        let mut ours_by = vec![1; manifest.sources.len()];
        let mut theirs: Vec<(usize, u64)> = Vec::new();
        for source in &other.manifest.sources {
            let at = manifest.sources.iter().position(|ours| ours.name == source.name);
            let Some(at) = at else {
                theirs.push((manifest.sources.len(), 1));
                manifest.sources.push(source.clone());
                ours_by.push(1);
                continue;
            };
            let (ours, mut by) = (&mut manifest.sources[at], 1);
            if ours.weight != source.weight {
                (ours_by[at], by) = (ours.weight, source.weight);
                ours.weight = 1;
            }
            ours.add(source);
            theirs.push((at, by));
        }
        let sources = manifest.sources.len().max(1);
        let mut sum = Self::new(manifest);
        sum.bytes.reserve(self.bytes.len().max(other.bytes.len()));
        let (our_columns, their_columns) = (self.columns(), other.columns());
        if theirs.is_empty() {
            theirs.push((0, 1));
        }
        if ours_by.is_empty() {
            ours_by.push(1);
        }
        let mut row = vec![0_u64; sources];
        self.pairs(other, |word, one, two| {
            row.fill(0);
            let too_often = || too_often(word);
            if let Some(at) = one {
                for ((sum, column), by) in row.iter_mut().zip(&our_columns).zip(&ours_by) {
                    *sum = column[at].checked_mul(*by).ok_or_else(too_often)?;
                }
            }
            if let Some(at) = two {
                for (column, &(source, by)) in their_columns.iter().zip(&theirs) {
                    let count = column[at].checked_mul(by);
                    let count = count.and_then(|count| row[source].checked_add(count));
                    row[source] = count.ok_or_else(too_often)?;
                }
            }
            sum.push(word, &row)
        })?;
        Ok(sum)
    }

    /// Calls `pair` with each word of either and its numbers in both, in order.
    fn pairs<'a>(
        &'a self,
        other: &'a Self,
        mut pair: impl FnMut(&'a [u8], Option<usize>, Option<usize>) -> Result<()>,
    ) -> Result<()> {
        let (mut ours, mut theirs) =
            (self.words().enumerate().peekable(), other.words().enumerate().peekable());
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (Some(one), Some(two)) => one.1.cmp(two.1),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Ok(()),
            };
            let one = if order.is_le() { ours.next() } else { None };
            let two = if order.is_ge() { theirs.next() } else { None };
            let Some((_, word)) = one.or(two) else { return Ok(()) };
            pair(word, one.map(|(at, _)| at), two.map(|(at, _)| at))?;
        }
    }

    /// What is left without `other`: words that do not occur any more are left out. The sources of `other`
    /// must be among these, where weights differ one of the two 1, and none of its words may occur more often.
    ///
    /// # Errors
    /// [`Error::Training`] when they were counted differently, or when `other` is no part of these counts:
    /// it says which word or source is missing.
    pub fn subtract(&self, other: &Self) -> Result<Self> {
        let mut manifest = self.manifest.clone();
        manifest.check_adds_up(&other.manifest)?;
        let part =
            |what: &str| Error::training(format!("these counts are no part of the others: {what}"));
        let mut sources = Vec::new();
        for source in &other.manifest.sources {
            let at = manifest.sources.iter().position(|ours| ours.name == source.name);
            let at = at.ok_or_else(|| part(&format!("there is no source {:?}", source.name)))?;
            let (ours, theirs) = (manifest.sources[at].weight, source.weight);
            // Occurrences are taken away, however much they weigh; but sums of counts with several weights are
            // kept with the weight 1.
            let times = match (ours, theirs) {
                (_, 1) => 1,
                _ if ours == theirs => 1,
                (1, _) => theirs,
                _ => {
                    let weights =
                        format!("the source {:?} has the weights {ours} and {theirs}", source.name);
                    return Err(part(&weights));
                }
            };
            let less = "more documents or bytes than there are";
            manifest.sources[at].subtract(source).ok_or_else(|| part(less))?;
            manifest.documents = manifest.documents.saturating_sub(source.documents);
            manifest.bytes = manifest.bytes.saturating_sub(source.bytes);
            sources.push((at, times));
        }
        for (token, &found) in &other.manifest.special_tokens {
            let left = manifest.special_tokens.get_mut(token).and_then(|sum| {
                *sum = sum.checked_sub(found)?;
                Some(())
            });
            left.ok_or_else(|| part(&format!("the special token {token:?} occurs less often")))?;
        }
        if sources.is_empty() {
            sources.push((0, 1));
        }
        let (our_columns, their_columns) = (self.columns(), other.columns());
        let mut rest = Self::new(manifest);
        let mut row = vec![0_u64; our_columns.len()];
        self.pairs(other, |word, one, two| {
            let missing = || {
                let word = String::from_utf8_lossy(word);
                part(&format!("the word {word:?} occurs less often"))
            };
            let ours = |column: &&[u64]| one.map_or(0, |at| column[at]);
            row.iter_mut().zip(&our_columns).for_each(|(count, column)| *count = ours(column));
            if let Some(at) = two {
                for (column, &(source, times)) in their_columns.iter().zip(&sources) {
                    let left = column[at].checked_mul(times);
                    let left = left.and_then(|less| row[source].checked_sub(less));
                    row[source] = left.ok_or_else(missing)?;
                }
            }
            if row.iter().all(|&count| count == 0) { Ok(()) } else { rest.push(word, &row) }
        })?;
        Ok(rest)
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
        for column in std::iter::once(&mut product.times).chain(&mut product.columns) {
            for (at, count) in column.iter_mut().enumerate() {
                *count = count.checked_mul(weight).ok_or_else(|| too_often(self.word(at)))?;
            }
        }
        Ok(product)
    }

    /// The same occurrences with other weights for sources; those that are not named keep theirs.
    ///
    /// # Errors
    /// [`Error::Argument`] when a name is no source's; [`Error::Training`] when a weighted sum does not fit
    /// into 64 bits.
    pub fn weighted(&self, weights: &BTreeMap<String, u64>) -> Result<Self> {
        let mut manifest = self.manifest.clone();
        for (name, &weight) in weights {
            let source = manifest.sources.iter_mut().find(|source| source.name == *name);
            let Some(source) = source else {
                let names: Vec<&str> =
                    self.manifest.sources.iter().map(|source| source.name.as_str()).collect();
                let wanted = format!("a name of a source: {names:?}");
                return Err(Error::argument("weights", format!("for {name:?}"), wanted));
            };
            source.weight = weight;
        }
        let columns = self.columns();
        let mut counts = Self::new(manifest);
        counts.reserve(self.len(), self.bytes.len());
        let mut row = Vec::with_capacity(columns.len());
        for (at, word) in self.words().enumerate() {
            row.clear();
            row.extend(columns.iter().map(|column| column[at]));
            counts.push(word, &row)?;
        }
        Ok(counts)
    }
}

/// What errors of stored counts call them.
const FORMAT: &str = "word counts";

fn weighted(counts: &[u64], sources: &[TextSource]) -> Option<u64> {
    let mut products =
        counts.iter().zip(sources).map(|(&count, source)| count.checked_mul(source.weight));
    products.try_fold(0_u64, |sum, product| sum.checked_add(product?))
}

impl Words for Counts {
    fn each(&self, word: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|(bytes, count)| word(bytes, count))
    }
}

#[cold]
pub(super) fn too_often(word: &[u8]) -> Error {
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
