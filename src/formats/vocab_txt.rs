//! `vocab.txt`: one token per line, its id is the number of the line.
//!
//! The file says nothing but that. What else a tokenizer of BERT's kind needs is in
//! [`VocabTxtOptions`], with the values of `bert-base-uncased` for a start.

use hashbrown::HashMap;

use super::placed;
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::{Model, Vocab, WordPiece, WordPieceOptions};
use crate::normalize::{BertNormalizer, Normalizer};
use crate::postprocess::PostProcessor;
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{AddedToken, TokenizerBuilder};

/// The name of the format in errors.
pub(super) const FORMAT: &str = "vocab.txt";

/// What a `vocab.txt` does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabTxtOptions {
    /// How text is normalised.
    pub normalizer: BertNormalizer,
    /// How words are looked up.
    pub model: WordPieceOptions,
    /// Stands before the first text, when it and `sep_token` are in the vocabulary.
    pub cls_token: String,
    /// Stands after each text.
    pub sep_token: String,
    /// Special, when it is in the vocabulary.
    pub pad_token: String,
    /// Special, when it is in the vocabulary.
    pub mask_token: String,
}

impl Default for VocabTxtOptions {
    /// As `bert-base-uncased`.
    fn default() -> Self {
        Self {
            normalizer: BertNormalizer::default(),
            model: WordPieceOptions::default(),
            cls_token: "[CLS]".to_owned(),
            sep_token: "[SEP]".to_owned(),
            pad_token: "[PAD]".to_owned(),
            mask_token: "[MASK]".to_owned(),
        }
    }
}

/// The declaration of a tokenizer of BERT's kind, with the tokens of a `vocab.txt`: the same as the
/// reference library's `BertWordPieceTokenizer`, and for a vocabulary without `cls_token` or
/// `sep_token` the same without a post-processor.
///
/// # Errors
/// [`Error::Format`] when there is no line, one is not UTF-8, or none is the unknown token.
pub fn from_vocab_txt(bytes: &[u8], options: &VocabTxtOptions) -> Result<TokenizerBuilder> {
    let vocab = Vocab::new(read_vocab_txt(bytes)?).map_err(|error| placed(error, FORMAT, ""))?;
    let with_id = |token: &String| vocab.id(token).map(|id| (token.clone(), id));
    let (cls, sep) = (with_id(&options.cls_token), with_id(&options.sep_token));
    let post_processor = cls.zip(sep).map(|(cls, sep)| PostProcessor::Bert { sep, cls });
    // The order in which the reference adds them.
    let special = [
        &options.model.unk_token,
        &options.sep_token,
        &options.cls_token,
        &options.pad_token,
        &options.mask_token,
    ];
    let present = special.into_iter().filter(|token| vocab.id(token).is_some());
    let added_tokens = present.map(|token| AddedToken::new(token.clone(), true)).collect();
    let prefix = options.model.continuing_subword_prefix.clone();
    let model =
        WordPiece::new(vocab, options.model.clone()).map_err(|error| placed(error, FORMAT, ""))?;
    Ok(TokenizerBuilder {
        normalizer: Some(Normalizer::Bert(options.normalizer.clone())),
        pre_tokenizer: Some(PreTokenizer::Bert),
        post_processor,
        decoder: Some(Decoder::WordPiece { prefix, cleanup: true }),
        added_tokens,
        ..TokenizerBuilder::new(Model::WordPiece(model))
    })
}

/// The tokens of a `vocab.txt` and their ids, from 0.
///
/// As the reference library reads it: white space at the end of a line goes, an empty line is the
/// empty token, and of lines that are the same the last one has the token; the ids of the others
/// stay without one.
///
/// # Errors
/// [`Error::Format`] when there is no line, or names the first line that is not UTF-8.
pub(super) fn read_vocab_txt(bytes: &[u8]) -> Result<Vec<(String, TokenId)>> {
    // The last line may have no line end; nothing after a last line end is no line.
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(Error::format(FORMAT, "", "the file is empty"));
    }
    let mut entries: Vec<Option<(String, TokenId)>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
        let place = || format!("line {}", index + 1);
        let token = std::str::from_utf8(line)
            .map_err(|error| {
                let position = error.valid_up_to();
                Error::format(FORMAT, place(), format!("invalid UTF-8 at byte {position} of it"))
            })?
            .trim_end();
        let id = TokenId::try_from(index)
            .map_err(|_| Error::format(FORMAT, place(), "there are more lines than ids"))?;
        if let Some(earlier) = known.insert(token.to_owned(), index) {
            entries[earlier] = None;
        }
        entries.push(Some((token.to_owned(), id)));
    }
    Ok(entries.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, TokenId)> {
        read_vocab_txt(text.as_bytes()).unwrap()
    }

    fn entries(given: &[(&str, TokenId)]) -> Vec<(String, TokenId)> {
        given.iter().map(|(token, id)| ((*token).to_owned(), *id)).collect()
    }

    #[test]
    fn the_id_is_the_number_of_the_line() {
        let wanted = entries(&[("[UNK]", 0), ("a", 1), ("##b", 2)]);
        assert_eq!(read("[UNK]\na\n##b\n"), wanted);
        assert_eq!(read("[UNK]\r\na\r\n##b"), wanted);
        assert_eq!(read("[UNK]\na \t\u{3000}\n##b"), wanted);
    }

    #[test]
    fn an_empty_line_is_a_token_and_the_last_of_equals_wins() {
        assert_eq!(read("a\n\nb\n"), entries(&[("a", 0), ("", 1), ("b", 2)]));
        assert_eq!(read("a\nb\na\n"), entries(&[("b", 1), ("a", 2)]));
        assert_eq!(read("\n"), entries(&[("", 0)]));
    }

    #[test]
    fn a_file_that_is_empty_or_no_text_is_an_error() {
        assert_eq!(read_vocab_txt(b"").unwrap_err().to_string(), "vocab.txt: the file is empty");
        let error = read_vocab_txt(b"a\nb\xFF\n").unwrap_err().to_string();
        assert_eq!(error, "vocab.txt at line 2: invalid UTF-8 at byte 1 of it");
    }
}
