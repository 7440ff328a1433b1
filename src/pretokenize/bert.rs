//! BERT's splitting: words between white space, every punctuation character a piece of its own.
//!
//! White space is removed. Punctuation is what ASCII calls so, symbols included, and the category P of
//! Unicode 8.0. One table look-up per byte of ASCII, one per character elsewhere.

use crate::unicode::bert::{PUNCTUATION, WHITE, ascii_flags, flags};

/// Calls `piece` with the byte range of each piece of `text`, from left to right.
#[inline]
pub(crate) fn split(text: &str, mut piece: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let (about, length) = if byte.is_ascii() {
            (ascii_flags(byte), 1)
        } else {
            let c = text[at..].chars().next().unwrap_or_default();
            (flags(c), c.len_utf8())
        };
        if about & (WHITE | PUNCTUATION) != 0 {
            if start < at {
                piece(start, at);
            }
            start = at + length;
            if about & PUNCTUATION != 0 {
                piece(at, start);
            }
        }
        at += length;
    }
    if start < at {
        piece(start, at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_categories::UnicodeCategories;

    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        split(text, |start, end| found.push(&text[start..end]));
        found
    }

    /// The definition: split at white space, then isolate punctuation.
    fn twin(text: &str) -> Vec<&str> {
        let is_punctuation = |c: char| c.is_ascii_punctuation() || c.is_punctuation();
        let words = text.split(char::is_whitespace);
        let cut = words.flat_map(|word| {
            word.split_inclusive(is_punctuation).flat_map(move |part| {
                let last = part.char_indices().next_back().filter(|&(_, c)| is_punctuation(c));
                let (head, tail) = part.split_at(last.map_or(part.len(), |(at, _)| at));
                [head, tail]
            })
        });
        cut.filter(|piece| !piece.is_empty()).collect()
    }

    #[test]
    fn words_and_punctuation() {
        assert_eq!(
            pieces(" Hey, you!?\tthere—漢 "),
            ["Hey", ",", "you", "!", "?", "there", "—", "漢"]
        );
        assert_eq!(pieces(""), [""; 0]);
        assert_eq!(pieces(" \u{3000}\u{85}"), [""; 0]);
    }

    #[test]
    fn the_library_agrees() {
        let golden = include_str!("../../tests/data/bert_golden.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        for case in golden["pre_tokenizer"].as_array().unwrap() {
            let text = case[0].as_str().unwrap();
            assert_eq!(serde_json::json!(pieces(text)), case[1], "{text:?}");
        }
    }

    #[test]
    fn every_code_point_splits_as_by_the_definition() {
        for c in '\0'..=char::MAX {
            let text = format!("{c}a{c}{c}é{c}");
            assert_eq!(pieces(&text), twin(&text), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn random_text_splits_as_by_the_definition(text in "([a-c.,!\u{2014}\u{3002} \u{3000}]|\\PC|\\s){0,30}") {
            prop_assert_eq!(pieces(&text), twin(&text));
        }
    }
}
