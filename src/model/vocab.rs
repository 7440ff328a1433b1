//! A vocabulary: token strings in one arena, ids from strings and strings from ids.
//!
//! A look-up by id is one slice of the arena; a look-up by token is one hash and one comparison. Fifty
//! thousand entries are built in about 3 ms and cost, beside their text, some 10 bytes each.
//!
//! Why an arena and not a vector of strings: one allocation instead of fifty thousand, neighbours in
//! memory, and a table of positions that stays small enough for the second-level cache.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

/// Ids may be missing, but the table of positions has a slot for each; this many slots beyond four for
/// each entry are allowed, so that a file of few entries cannot ask for gigabytes.
const SPARE_IDS: usize = 1_000_000;

const FORMAT: &str = "vocabulary";

/// The tokens of a model with their ids, both ways. Immutable.
#[derive(Clone, Debug)]
pub struct Vocab {
    /// All tokens in id order, one after the other.
    text: String,
    /// The end of each id's token in `text`; it starts where the token of the id before it ends.
    ends: Vec<u32>,
    /// One bit for each id that no entry has; empty when there are none. An id without a token looks
    /// like one with an empty token, and only this tells them apart.
    missing: Vec<u64>,
    entries: usize,
    /// The ids, placed by the seeded hash of their tokens.
    index: HashTable<TokenId>,
    hasher: DefaultHashBuilder,
}

impl Vocab {
    /// A vocabulary of `entries`, in any order.
    ///
    /// Ids need not be dense, but the largest must stay below four times the number of entries plus a
    /// million.
    ///
    /// # Errors
    /// [`Error::Format`] when a token or an id occurs twice, when an id is too large, or when the
    /// tokens together are longer than 4 GiB.
    pub fn new(entries: Vec<(String, TokenId)>) -> Result<Self> {
        Self::of(entries)
    }

    /// The same, but a token may occur twice: its id is the last one, and each id has its token.
    ///
    /// # Errors
    /// As [`Vocab::new`], without the first.
    pub fn with_repeats(entries: Vec<(String, TokenId)>) -> Result<Self> {
        Self::build(entries, true)
    }

    /// As [`Vocab::new`], of tokens that may be borrowed: files hold a hundred thousand of them.
    pub(crate) fn of<S: AsRef<str>>(entries: Vec<(S, TokenId)>) -> Result<Self> {
        Self::build(entries, false)
    }

    fn build<S: AsRef<str>>(mut entries: Vec<(S, TokenId)>, repeats: bool) -> Result<Self> {
        if !entries.windows(2).all(|pair| pair[0].1 < pair[1].1) {
            entries.sort_unstable_by(|(a, left), (b, right)| {
                (left, a.as_ref()).cmp(&(right, b.as_ref()))
            });
        }
        let id_limit = Self::check_ids(&entries)?;
        let bytes: usize = entries.iter().map(|(token, _)| token.as_ref().len()).sum();
        if u32::try_from(bytes).is_err() {
            let problem = format!("{bytes} bytes of tokens, and 4294967295 is the limit");
            return Err(Error::format(FORMAT, "", problem));
        }
        let mut vocab = Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(id_limit),
            missing: Vec::new(),
            entries: entries.len(),
            index: HashTable::with_capacity(entries.len()),
            hasher: DefaultHashBuilder::default(),
        };
        if id_limit > entries.len() {
            vocab.missing = vec![u64::MAX; id_limit.div_ceil(64)];
        }
        for (token, id) in entries {
            vocab.push(token.as_ref(), id, repeats)?;
        }
        Ok(vocab)
    }

    /// Checks the ids of sorted entries and returns the largest plus one.
    fn check_ids<S: AsRef<str>>(entries: &[(S, TokenId)]) -> Result<usize> {
        let bound = 4 * entries.len() + SPARE_IDS;
        if let Some((token, id)) = entries.last()
            && (*id > MAX_ID || *id as usize >= bound)
        {
            let limit = bound.min(MAX_ID as usize + 1);
            let (count, token) = (entries.len(), token.as_ref());
            let problem = format!(
                "token {token:?} has id {id}, but a vocabulary of {count} entries must keep below {limit}"
            );
            return Err(Error::format(FORMAT, format!("id {id}"), problem));
        }
        if let Some([(first, id), (second, _)]) =
            entries.windows(2).find(|pair| pair[0].1 == pair[1].1)
        {
            let (first, second) = (first.as_ref(), second.as_ref());
            let problem = format!("two tokens have it: {first:?} and {second:?}");
            return Err(Error::format(FORMAT, format!("id {id}"), problem));
        }
        Ok(entries.last().map_or(0, |&(_, id)| id as usize + 1))
    }

    /// Appends the entry with the next larger id.
    fn push(&mut self, token: &str, id: TokenId, repeats: bool) -> Result<()> {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.resize(id as usize, end);
        self.text.push_str(token);
        // The sum was checked, so the conversion cannot fail.
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        if let Some(word) = self.missing.get_mut(id as usize / 64) {
            *word &= !(1 << (id % 64));
        }
        let (text, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        let same = |&other: &TokenId| slice(text, ends, other) == token;
        let rehash = |&other: &TokenId| hasher.hash_one(slice(text, ends, other));
        match self.index.entry(hasher.hash_one(token), same, rehash) {
            Entry::Vacant(slot) => {
                slot.insert(id);
            }
            Entry::Occupied(mut slot) if repeats => *slot.get_mut() = id,
            Entry::Occupied(slot) => {
                let other = slot.get();
                let problem = format!("token {token:?} occurs twice, with ids {other} and {id}");
                return Err(Error::format(FORMAT, format!("id {id}"), problem));
            }
        }
        Ok(())
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether some token has more than one id.
    pub(crate) fn has_repeats(&self) -> bool {
        self.index.len() < self.entries
    }

    /// The largest id plus one; larger than [`Vocab::len`] when ids are missing.
    pub fn id_limit(&self) -> usize {
        self.ends.len()
    }

    /// The id of `token`.
    #[inline]
    pub fn id(&self, token: &str) -> Option<TokenId> {
        let hash = self.hasher.hash_one(token);
        self.index.find(hash, |&id| slice(&self.text, &self.ends, id) == token).copied()
    }

    /// The tokens that stand for single bytes where characters have none: `<0x00>` to `<0xFF>`.
    pub(crate) fn byte_tokens(&self) -> [Option<TokenId>; 256] {
        let mut number = 0..;
        [(); 256].map(|()| {
            let byte: u32 = number.next().unwrap_or_default();
            self.id(&format!("<0x{byte:02X}>"))
        })
    }

    /// The token of `id`.
    #[inline]
    pub fn token(&self, id: TokenId) -> Option<&str> {
        let there = (id as usize) < self.ends.len() && !self.is_missing(id);
        there.then(|| slice(&self.text, &self.ends, id))
    }

    /// All entries in id order.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, &str)> {
        (0..).zip(&self.ends).filter(|&(id, _)| !self.is_missing(id)).map(|(id, _)| {
            let token = slice(&self.text, &self.ends, id);
            (id, token)
        })
    }

    #[inline]
    fn is_missing(&self, id: TokenId) -> bool {
        self.missing.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

impl PartialEq for Vocab {
    /// The same tokens with the same ids; the seeds of the hash tables do not matter.
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.ends, &self.missing) == (&other.text, &other.ends, &other.missing)
    }
}

impl Eq for Vocab {}

/// The text of `id`; empty when there is none.
#[inline]
fn slice<'a>(text: &'a str, ends: &[u32], id: TokenId) -> &'a str {
    let id = id as usize;
    let start =
        id.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |&end| end as usize);
    let end = ends.get(id).map_or(start, |&end| end as usize);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocab(entries: &[(&str, TokenId)]) -> Result<Vocab> {
        Vocab::new(entries.iter().map(|&(token, id)| (token.to_owned(), id)).collect())
    }

    fn problem(entries: &[(&str, TokenId)]) -> String {
        vocab(entries).expect_err("must be refused").to_string()
    }

    #[test]
    fn tokens_and_ids_both_ways_with_holes_and_an_empty_token() {
        let vocab = vocab(&[("c", 130), ("", 3), ("ab", 0), ("é", 5)]).unwrap();
        assert_eq!((vocab.len(), vocab.id_limit(), vocab.is_empty()), (4, 131, false));
        let entries: Vec<_> = vocab.iter().collect();
        assert_eq!(entries, [(0, "ab"), (3, ""), (5, "é"), (130, "c")]);
        for (id, token) in entries {
            assert_eq!((vocab.id(token), vocab.token(id)), (Some(id), Some(token)));
        }
        assert_eq!((vocab.id("a"), vocab.token(1), vocab.token(131)), (None, None, None));
        assert_eq!(vocab.token(TokenId::MAX), None);
    }

    #[test]
    fn an_empty_vocabulary_is_one() {
        let vocab = vocab(&[]).unwrap();
        assert_eq!(
            (vocab.len(), vocab.id_limit(), vocab.id(""), vocab.token(0)),
            (0, 0, None, None)
        );
    }

    #[test]
    fn the_order_of_entries_does_not_matter() {
        let (left, right) = (vocab(&[("a", 0), ("b", 1)]), vocab(&[("b", 1), ("a", 0)]));
        assert_eq!(left.unwrap(), right.unwrap());
        assert_ne!(vocab(&[("", 0)]).unwrap(), vocab(&[("", 1)]).unwrap());
    }

    #[test]
    fn a_repeated_token_has_its_last_id_and_both_ids_have_it() {
        let entries = [("a", 0), ("b", 1), ("a", 2)].map(|(token, id)| (token.to_owned(), id));
        let vocab = Vocab::with_repeats(entries.to_vec()).unwrap();
        assert_eq!((vocab.id("a"), vocab.len()), (Some(2), 3));
        assert_eq!((vocab.token(0), vocab.token(2)), (Some("a"), Some("a")));
    }

    #[test]
    fn lies_are_named() {
        let twice = "vocabulary at id 4: token \"a\" occurs twice, with ids 2 and 4";
        assert_eq!(problem(&[("a", 2), ("b", 3), ("a", 4)]), twice);
        let shared = "vocabulary at id 7: two tokens have it: \"a\" and \"b\"";
        assert_eq!(problem(&[("b", 7), ("a", 7)]), shared);
        let far = "vocabulary at id 1000008: token \"b\" has id 1000008, but a vocabulary of 2 entries must keep below 1000008";
        assert_eq!(problem(&[("a", 0), ("b", 1_000_008)]), far);
        assert!(vocab(&[("a", 0), ("b", 1_000_007)]).is_ok());
        assert!(problem(&[("a", TokenId::MAX)]).contains("has id 4294967295"));
    }
}
