//! Tokenizers out of rank files: ranks, a split pattern, special tokens.

use std::path::Path;

use super::tiktoken::{read_tiktoken, read_usual};
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::files;
use crate::ids::TokenId;
use crate::model::{Bpe, Model};
use crate::pretokenize::{PreTokenizer, rank_file_pattern};
use crate::regex::Dialect;
use crate::tokenizer::{AddedToken, TokenizerBuilder};

/// The declaration of a rank file. `pattern` is the name of a known one (`cl100k_base` ...) or a
/// regular expression as tiktoken takes it; `special` are tokens with ids of their own.
///
/// # Errors
/// [`Error::Argument`] when there is no pattern, or it is no regular expression; [`Error::Format`]
/// with the file and the line that is wrong; [`Error::Io`].
pub fn from_tiktoken(
    path: &Path,
    pattern: Option<&str>,
    special: &[(String, TokenId)],
) -> Result<TokenizerBuilder> {
    let Some(pattern) = pattern else {
        let wanted = "the name of a split pattern or a regular expression: a rank file has none";
        return Err(Error::argument("pattern", "not given", wanted));
    };
    let bytes = files::read(path)?;
    let built = match read_usual(&bytes) {
        // What was not looked at is told first, with its line.
        Some(ranks) => from_ranks(&ranks.entries(), pattern, special)
            .or_else(|error| read_tiktoken(&bytes).and(Err(error))),
        None => read_tiktoken(&bytes).and_then(|ranks| from_ranks(&ranks, pattern, special)),
    };
    built.map_err(|error| error.in_file(path))
}

/// The declaration of ranks in memory; the rest as for [`from_tiktoken`].
///
/// # Errors
/// As [`from_tiktoken`], without a file.
pub(crate) fn from_ranks<B: AsRef<[u8]>>(
    ranks: &[(B, TokenId)],
    pattern: &str,
    special: &[(String, TokenId)],
) -> Result<TokenizerBuilder> {
    let regex = rank_file_pattern(pattern)?;
    let model = Bpe::of_ranks(ranks, special)?;
    let decoder =
        Decoder::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };
    Ok(TokenizerBuilder {
        pre_tokenizer: Some(PreTokenizer::byte_level_split(regex)),
        dialect: Dialect::Tiktoken,
        decoder: Some(decoder),
        added_tokens: special.iter().map(|(token, _)| AddedToken::new(token, true)).collect(),
        ..TokenizerBuilder::new(Model::Bpe(model))
    })
}
