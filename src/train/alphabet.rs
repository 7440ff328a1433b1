//! The entries a vocabulary has before the first merge: special tokens, characters, and the forms
//! that characters take inside and at the end of words.
//!
//! Ids are given in this order: special tokens as given, repeated ones once; kept characters by code
//! point; prefixed and suffixed forms that occur, sorted. Under a byte-level pretokenizer the
//! characters are those that stand for bytes, so the space comes after all of Latin-1.

// `tokenizers` numbers the forms in the order of a hash map, which differs from run to run; sorted
// order is the one rule that every run, thread count and machine can agree on. It also breaks ties of
// `limit_alphabet` at random; here the smaller code point stays.

use rustc_hash::FxHashMap;

use super::extend::Base;
use super::report::Dropped;
use super::{BpeTrainConfig, InitialAlphabet, Unit};
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};
use crate::unicode::byte_level::BYTE_TO_CHAR;

/// A symbol that has no id: its character was not kept.
const DELETED: TokenId = TokenId::MAX;

/// Words and how often they occur, in any order.
pub(crate) trait Words {
    /// Calls `word` for each word; stops at the first error.
    fn each(&self, word: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()>;
}

impl Words for [(Vec<u8>, u64)] {
    fn each(&self, word: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|(bytes, count)| word(bytes, *count))
    }
}

/// The entries before the first merge, and how a word becomes symbols.
pub(crate) struct Alphabet {
    /// Tokens in id order.
    pub(crate) tokens: Vec<String>,
    /// Token to id.
    pub(crate) ids: FxHashMap<String, TokenId>,
    /// The number of special tokens at the head.
    pub(crate) special_tokens: usize,
    /// Occurrences of kept symbols in the text, all words together.
    pub(crate) total: u64,
    /// What is not kept.
    pub(crate) dropped: Dropped,
    units: Units,
}

/// From a unit and its place in the word to its id. Four forms each: bit 0 is set when the unit does
/// not start the word, bit 1 when it ends it.
enum Units {
    Byte(Box<[[TokenId; 4]; 256]>),
    Char(FxHashMap<char, [TokenId; 4]>),
}

impl Alphabet {
    /// Finds the alphabet of `words`. The entries of a base come first and stay what they are.
    ///
    /// # Errors
    /// [`Error::Training`] when a word of characters is not UTF-8, when counts add up to 2^64 or more;
    /// [`Error::Argument`] for an empty special token, and for a limit that
    /// is less than the initial alphabet.
    pub(crate) fn new<W: Words + ?Sized>(
        words: &W,
        unit: Unit,
        config: &BpeTrainConfig,
        base: Option<&Base>,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        if config.special_tokens.iter().any(String::is_empty) {
            return Err(Error::argument(
                "special_tokens",
                "\"\"",
                "tokens of at least one character",
            ));
        }
        let seen = Seen::of(words, unit, tick)?;
        let images = &BYTE_TO_CHAR;
        let mut frequencies: Vec<(char, u64)> = match unit {
            Unit::Byte => (0..256).map(|b| (images[b], seen.bytes[b][0])).collect(),
            Unit::Char => seen.chars.iter().map(|(&c, counts)| (c, counts[0])).collect(),
        };
        frequencies.retain(|&(_, count)| count > 0);
        let kept = keep(frequencies.clone(), unit, config, images)?;

        let mut alphabet = Self {
            tokens: Vec::new(),
            ids: FxHashMap::default(),
            special_tokens: 0,
            total: 0,
            dropped: Dropped::default(),
            units: Units::Char(FxHashMap::default()),
        };
        for token in base.map(|base| base.tokens.as_slice()).unwrap_or_default() {
            alphabet.add(token.clone());
        }
        let before = alphabet.tokens.len();
        for token in &config.special_tokens {
            alphabet.add(token.clone());
        }
        alphabet.special_tokens = alphabet.tokens.len() - before;
        for character in kept {
            alphabet.add(character.to_string());
        }
        alphabet.drop(frequencies);
        alphabet.add_forms(seen, images, unit, config)?;
        if alphabet.tokens.len() > MAX_ID as usize / 2 {
            return Err(Error::training(format!(
                "the alphabet has {} entries",
                alphabet.tokens.len()
            )));
        }
        Ok(alphabet)
    }

    /// Notes which characters have no entry.
    fn drop(&mut self, mut frequencies: Vec<(char, u64)>) {
        frequencies.retain(|(c, _)| !self.ids.contains_key(c.encode_utf8(&mut [0; 4]) as &str));
        frequencies.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
        let examples = frequencies.iter().take(Dropped::EXAMPLES);
        self.dropped = Dropped {
            characters: frequencies.len() as u64,
            occurrences: frequencies.iter().fold(0, |sum, row| sum.saturating_add(row.1)),
            examples: examples.map(|(c, _)| c.to_string()).collect(),
        };
    }

    /// Appends the symbols of `word`; deleted characters leave no gap. False when one was deleted.
    pub(crate) fn symbols(&self, word: &[u8], out: &mut Vec<TokenId>) -> bool {
        let (before, mut units) = (out.len(), 0);
        match &self.units {
            Units::Byte(table) => {
                let last = word.len().wrapping_sub(1);
                let id = |(i, &b): (usize, &u8)| table[usize::from(b)][form(i > 0, i == last)];
                units = word.len();
                out.extend(word.iter().enumerate().map(id).filter(|&id| id != DELETED));
            }
            Units::Char(table) => {
                // Words were checked when the alphabet was made.
                let text = std::str::from_utf8(word).unwrap_or_default();
                for (start, c) in text.char_indices() {
                    let last = start + c.len_utf8() == text.len();
                    units += 1;
                    if let Some(ids) = table.get(&c) {
                        let id = ids[form(start > 0, last)];
                        if id != DELETED {
                            out.push(id);
                        }
                    }
                }
            }
        }
        out.len() - before == units
    }

    fn add(&mut self, token: String) -> TokenId {
        // Bounded by MAX_ID in `new` and by the vocabulary size later.
        #[expect(clippy::cast_possible_truncation, reason = "checked against MAX_ID when done")]
        let next = self.tokens.len() as TokenId;
        let tokens = &mut self.tokens;
        *self.ids.entry(token).or_insert_with_key(|token| {
            tokens.push(token.clone());
            next
        })
    }

    /// Numbers the forms that occur and fills the table from units to ids.
    fn add_forms(
        &mut self,
        seen: Seen,
        images: &[char; 256],
        unit: Unit,
        config: &BpeTrainConfig,
    ) -> Result<()> {
        let prefix = config.continuing_subword_prefix.as_deref().unwrap_or_default();
        let suffix = config.end_of_word_suffix.as_deref().unwrap_or_default();
        // A character is kept when it is an entry, a special token of one character included.
        let spell = |c: char, form: usize| {
            let head = if form & 1 == 1 { prefix } else { "" };
            let tail = if form & 2 == 2 { suffix } else { "" };
            format!("{head}{c}{tail}")
        };
        let mut rows: Vec<(char, [u64; 5])> = match unit {
            Unit::Byte => images.iter().copied().zip(seen.bytes.iter().copied()).collect(),
            Unit::Char => seen.chars.into_iter().collect(),
        };
        rows.retain(|(c, _)| self.ids.contains_key(c.encode_utf8(&mut [0; 4]) as &str));
        rows.sort_unstable_by_key(|row| row.0);
        let mut forms = Vec::new();
        for &(c, counts) in &rows {
            for form in 0..4 {
                if counts[1 + form] > 0 {
                    forms.push(spell(c, form));
                }
            }
        }
        forms.sort_unstable();
        for form in forms {
            self.add(form);
        }
        let mut table: Vec<(char, [TokenId; 4])> = Vec::with_capacity(rows.len());
        for &(c, counts) in &rows {
            let id = |form: usize| self.ids.get(&spell(c, form)).copied().unwrap_or(DELETED);
            table.push((c, [id(0), id(1), id(2), id(3)]));
            let sum = self.total.checked_add(counts[0]);
            self.total = sum.ok_or_else(too_many)?;
        }
        self.units = match unit {
            Unit::Char => Units::Char(table.into_iter().collect()),
            Unit::Byte => {
                let table: FxHashMap<char, [TokenId; 4]> = table.into_iter().collect();
                let ids = |c: &char| table.get(c).copied().unwrap_or([DELETED; 4]);
                Units::Byte(Box::new(std::array::from_fn(|byte| ids(&images[byte]))))
            }
        };
        Ok(())
    }
}

/// How often each unit occurs: in all, then by form.
struct Seen {
    bytes: Vec<[u64; 5]>,
    chars: FxHashMap<char, [u64; 5]>,
}

impl Seen {
    fn of<W: Words + ?Sized>(
        words: &W,
        unit: Unit,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let mut seen = Self { bytes: vec![[0; 5]; 256], chars: FxHashMap::default() };
        let note = |counts: &mut [u64; 5], form: usize, count: u64| {
            counts[1 + form] = counts[1 + form].saturating_add(count);
            counts[0] = counts[0].checked_add(count).ok_or_else(too_many)?;
            Ok(())
        };
        words.each(&mut |word, count| {
            tick(word.len())?;
            if count == 0 {
                return Ok(());
            }
            match unit {
                Unit::Byte => {
                    let last = word.len().wrapping_sub(1);
                    word.iter().enumerate().try_for_each(|(i, &b)| {
                        note(&mut seen.bytes[usize::from(b)], form(i > 0, i == last), count)
                    })
                }
                Unit::Char => {
                    let text = std::str::from_utf8(word).map_err(|error| {
                        let at = error.valid_up_to();
                        Error::training(format!("the word {word:?} is not UTF-8 at byte {at}"))
                    })?;
                    text.char_indices().try_for_each(|(start, c)| {
                        let last = start + c.len_utf8() == text.len();
                        note(seen.chars.entry(c).or_default(), form(start > 0, last), count)
                    })
                }
            }
        })?;
        Ok(seen)
    }
}

/// The characters to keep, by code point.
fn keep(
    mut frequencies: Vec<(char, u64)>,
    unit: Unit,
    config: &BpeTrainConfig,
    images: &[char; 256],
) -> Result<Vec<char>> {
    let initial: &[char] = match &config.initial_alphabet {
        InitialAlphabet::Bytes if unit == Unit::Byte => images,
        InitialAlphabet::Bytes => &[],
        InitialAlphabet::Chars(chars) => chars,
    };
    let mut wanted: Vec<char> = initial.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    // `tokenizers` keeps as many of them as fit, at random.
    if let Some(limit) = config.limit_alphabet.filter(|&limit| limit < wanted.len()) {
        let needed = format!("at least {}, which initial_alphabet has", wanted.len());
        return Err(Error::argument("limit_alphabet", limit, needed));
    }
    frequencies.retain(|(c, _)| wanted.binary_search(c).is_err());
    frequencies.extend(wanted.iter().map(|&c| (c, u64::MAX)));
    frequencies.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    frequencies.truncate(config.limit_alphabet.unwrap_or(usize::MAX));
    let mut kept: Vec<char> = frequencies.into_iter().map(|(c, _)| c).collect();
    kept.sort_unstable();
    Ok(kept)
}

#[inline]
fn form(continues: bool, ends: bool) -> usize {
    usize::from(continues) | usize::from(ends) << 1
}

fn too_many() -> Error {
    Error::training("the counts add up to 2^64 symbols or more; divide them first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[(&str, u64)]) -> Vec<(Vec<u8>, u64)> {
        list.iter().map(|(w, n)| (w.as_bytes().to_vec(), *n)).collect()
    }

    #[test]
    fn ids_are_specials_characters_then_sorted_forms() {
        let config = BpeTrainConfig {
            special_tokens: vec!["<s>".into(), "b".into(), "<s>".into()],
            continuing_subword_prefix: Some("##".into()),
            end_of_word_suffix: Some("</w>".into()),
            initial_alphabet: InitialAlphabet::Chars(vec!['z']),
            ..BpeTrainConfig::default()
        };
        let words = words(&[("ba", 2), ("c", 1), ("abc", 1)]);
        let alphabet =
            Alphabet::new(words.as_slice(), Unit::Char, &config, None, &mut |_| Ok(())).unwrap();
        let tokens = ["<s>", "b", "a", "c", "z", "##a</w>", "##b", "##c</w>", "c</w>"];
        assert_eq!(alphabet.tokens, tokens);
        let mut symbols = Vec::new();
        alphabet.symbols(b"abc", &mut symbols);
        assert_eq!(symbols, [2, 6, 7]);
        assert_eq!(alphabet.total, 8);
    }

    #[test]
    fn a_limited_alphabet_deletes_the_rare_characters() {
        let config = BpeTrainConfig {
            limit_alphabet: Some(2),
            initial_alphabet: InitialAlphabet::Chars(vec![]),
            ..BpeTrainConfig::default()
        };
        let words = words(&[("xay", 5), ("axc", 1)]);
        let alphabet =
            Alphabet::new(words.as_slice(), Unit::Byte, &config, None, &mut |_| Ok(())).unwrap();
        assert_eq!(alphabet.tokens, ["a", "x"]);
        let mut symbols = Vec::new();
        alphabet.symbols(b"xyac", &mut symbols);
        assert_eq!(symbols, [1, 0]);
    }

    #[test]
    fn bad_input_is_told() {
        let config = BpeTrainConfig::default();
        let words = vec![(vec![b'a', 0xFF], 1)];
        let error = Alphabet::new(words.as_slice(), Unit::Char, &config, None, &mut |_| Ok(()))
            .err()
            .unwrap();
        assert!(error.to_string().contains("not UTF-8 at byte 1"), "{error}");
        let words = vec![(b"ab".to_vec(), u64::MAX), (b"b".to_vec(), 1)];
        let error = Alphabet::new(words.as_slice(), Unit::Byte, &config, None, &mut |_| Ok(()))
            .err()
            .unwrap();
        assert!(error.to_string().contains("2^64"), "{error}");
        for (initial, limit, fits) in [
            (InitialAlphabet::Bytes, 50, false),
            (InitialAlphabet::Bytes, 256, true),
            (InitialAlphabet::Chars(vec!['x', 'y', 'x']), 1, false),
            (InitialAlphabet::Chars(vec!['x', 'y', 'x']), 2, true),
        ] {
            let limited = BpeTrainConfig {
                limit_alphabet: Some(limit),
                initial_alphabet: initial,
                ..config.clone()
            };
            let result = Alphabet::new([].as_slice(), Unit::Byte, &limited, None, &mut |_| Ok(()));
            let error = result.err().map(|error| error.to_string());
            assert_eq!(error.is_none(), fits);
            assert!(error.is_none_or(|text| text.contains("initial_alphabet")));
        }
        let config = BpeTrainConfig { special_tokens: vec![String::new()], ..config };
        let error =
            Alphabet::new([].as_slice(), Unit::Byte, &config, None, &mut |_| Ok(())).err().unwrap();
        assert!(error.to_string().contains("special_tokens"), "{error}");
    }
}
