//! Superwords: tokens that reach across spaces (`SuperBPE`, Liu et al. 2025).
//!
//! Training has two stages. In the first, merges stay within words, as always. In the second the text is
//! cut into wider pieces, in which words and the spaces between them may merge. The tokenizer cuts text
//! into the wide pieces, too, so what is learned is what is encoded, and its file needs nothing that
//! other libraries lack.
//!
//! Text is counted once, in wide pieces; the words of the first stage are what the narrow pre-tokenizer
//! makes of those. So a source that can be read only once will do, counts may come from anywhere, and
//! memory is that of counting and merging wide pieces like words.

use hashbrown::HashMap;

use super::Counts;
use crate::error::{Error, Result};
use crate::pretokenize::{ByteAlphabet, PreTokenizer, Splitter};
use crate::regex::{Dialect, Pattern};

/// The second stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superwords {
    /// The number of merges in the first stage.
    pub from: usize,
    /// The most words of a token, counted between white space.
    pub max_words: usize,
    /// What cuts the words of the first stage out of the pieces of the second.
    pub words: PreTokenizer,
}

/// The pre-tokenizer of the wide pieces that belongs to one of words: as that, but that words of letters
/// with single spaces between them stay together. Known for the patterns of GPT-2, cl100k, o200k, Llama 3
/// and Qwen, and for those that are written like them.
///
/// # Errors
/// [`Error::Argument`] for others: then it must be given.
pub fn wide_pre_tokenizer(words: &PreTokenizer) -> Result<PreTokenizer> {
    let unknown = || {
        let wanted = "given with this pretokenizer, whose wide form is not known";
        Error::argument("superword_pretokenizer", "missing", wanted)
    };
    match words {
        PreTokenizer::ByteLevel { add_prefix_space: false, use_regex: true, .. } => {
            Ok(PreTokenizer::byte_level_split(widen(GPT2).ok_or_else(unknown)?))
        }
        PreTokenizer::Sequence(parts) => match parts.as_slice() {
            [
                PreTokenizer::Split { pattern: Pattern::Regex(regex), invert: false, .. },
                PreTokenizer::ByteLevel { add_prefix_space: false, use_regex: false, .. },
            ] => Ok(PreTokenizer::byte_level_split(widen(regex).ok_or_else(unknown)?)),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

const GPT2: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The ends of the alternatives that match words, and what a further word looks like there.
const WORDS: [(&str, &str); 3] = [
    (r"\p{L}+|", r"(?: \p{L}+)*"),
    (r"[\p{L}\p{M}]+|", r"(?: [\p{L}\p{M}]+)*"),
    (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|", r"(?: [\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)*"),
];

fn widen(regex: &str) -> Option<String> {
    let (end, more) = WORDS.iter().find(|(end, _)| regex.contains(end))?;
    let alternative = end.strip_suffix('|').unwrap_or(end);
    Some(regex.replace(end, &format!("{alternative}{more}|")))
}

/// The words of the first stage, out of the pieces of the second.
pub(super) fn narrow(
    wide: &Counts,
    second: &Superwords,
    tick: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Counts> {
    let splitter = Splitter::compile(&second.words, Dialect::TokenizerJson, ByteAlphabet::Raw)?;
    if splitter.rewrites() || !splitter.is_byte_level() || splitter.add_prefix_space {
        let what = "superwords with a pretokenizer that rewrites its text or works on characters";
        return Err(Error::unsupported(what, "pretokenizer"));
    }
    let mut words: HashMap<&[u8], u64> = HashMap::new();
    for (piece, count) in wide.iter() {
        tick(piece.len())?;
        let text = std::str::from_utf8(piece)
            .map_err(|_| Error::training("a word is not UTF-8, so it cannot be cut into words"))?;
        let mut full = false;
        splitter.for_each(text, |start, end| {
            let times = words.entry(&piece[start..end]).or_default();
            match times.checked_add(count) {
                Some(sum) => *times = sum,
                None => full = true,
            }
        })?;
        if full {
            return Err(Error::training("the counts add up to 2^64 or more"));
        }
    }
    Counts::from_words(words.into_iter().collect(), wide.manifest().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Manifest;

    fn pieces(pre_tokenizer: &PreTokenizer, text: &str) -> Vec<String> {
        let splitter =
            Splitter::compile(pre_tokenizer, Dialect::TokenizerJson, ByteAlphabet::Raw).unwrap();
        let mut pieces = Vec::new();
        splitter.for_each(text, |start, end| pieces.push(text[start..end].to_owned())).unwrap();
        pieces
    }

    #[test]
    fn wide_pieces_are_words_with_single_spaces() {
        let text = "it's one of the 12 best ways,\nby  far (of all) naïve";
        let want = ["it", "'s", " one of the", " 12", " best ways", ",", "\n", "by", " ", " far"];
        for name in ["gpt2", "cl100k_base", "qwen2", "qwen3.5", "llama3"] {
            let words = PreTokenizer::by_name(name).unwrap();
            let wide = wide_pre_tokenizer(&words).unwrap();
            let found = pieces(&wide, text);
            assert_eq!(found.concat(), text);
            // Where numbers and line breaks are cut is the pattern's own.
            let letters = |piece: &&String| piece.contains(char::is_alphabetic);
            let wanted = want.iter().filter(|piece| piece.contains(char::is_alphabetic));
            let found: Vec<_> = found.iter().filter(letters).map(String::as_str).collect();
            let wanted: Vec<_> = wanted.copied().collect();
            assert_eq!(found[..wanted.len()], wanted, "{name}");
        }
        let wide = wide_pre_tokenizer(&PreTokenizer::by_name("o200k_base").unwrap()).unwrap();
        assert_eq!(pieces(&wide, text)[..2], ["it's one of the", " "]);
        let error = wide_pre_tokenizer(&PreTokenizer::Bert).unwrap_err();
        assert!(error.to_string().contains("superword_pretokenizer"), "{error}");
    }

    #[test]
    fn words_are_counted_in_their_pieces() {
        let words = PreTokenizer::by_name("gpt2").unwrap();
        let second = Superwords { from: 0, max_words: 4, words };
        let wide = vec![(&b"of the"[..], 3), (b" of the", 2), (b" the", 1)];
        let wide = Counts::from_words(wide, Manifest::default()).unwrap();
        let narrow = narrow(&wide, &second, &mut |_| Ok(())).unwrap();
        let found: Vec<_> = narrow.iter().collect();
        assert_eq!(found, [(&b" of"[..], 2), (b" the", 6), (b"of", 3)]);
    }
}
