//! From one format to another, where nothing is lost.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::{Bpe, Model};
use crate::postprocess::PostProcessor;
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{Tokenizer, TokenizerBuilder};
use crate::unicode::byte_level;

/// The ranks of a tokenizer as a rank file (`.tiktoken`), the lowest first. The split pattern and the
/// special tokens are no part of such a file.
///
/// # Errors
/// [`Error::Unsupported`] names what a rank file cannot say: another model than byte-level BPE, merges
/// that do not follow from the ranks, a component that changes text or adds tokens.
pub fn to_tiktoken(tokenizer: &Tokenizer) -> Result<Vec<u8>> {
    let declared = tokenizer.declaration();
    check(declared)?;
    let Model::Bpe(bpe) = &declared.model else {
        let what = format!("a rank file of a {} model", declared.model.kind());
        return Err(Error::unsupported(what, "model"));
    };
    let mut special: Vec<(String, TokenId)> = Vec::new();
    for (id, token) in tokenizer.added_tokens() {
        if !token.special || token.single_word || token.lstrip || token.rstrip {
            let what = format!(
                "a rank file with the added token {:?}: only special tokens that match as they are",
                token.content
            );
            return Err(Error::unsupported(what, "added_tokens"));
        }
        special.push((token.content.clone(), id));
    }
    special.sort_unstable_by_key(|&(_, id)| id);
    let is_special =
        |id: TokenId| special.binary_search_by_key(&id, |&(_, special)| special).is_ok();
    let mut ranks = Vec::new();
    for (id, token) in bpe.vocab().iter().filter(|&(id, _)| !is_special(id)) {
        let Some(bytes) = byte_level::unspell(token).filter(|bytes| !bytes.is_empty()) else {
            let what = format!("a rank file with the token {token:?}, which spells no bytes");
            return Err(Error::unsupported(what, "model.vocab"));
        };
        ranks.push((bytes, id));
    }
    check_merges(bpe, &ranks, &special)?;
    let mut out = Vec::new();
    for (bytes, rank) in ranks {
        out.extend_from_slice(format!("{} {rank}\n", STANDARD.encode(bytes)).as_bytes());
    }
    Ok(out)
}

/// Whether merging by ranks is what the model does.
fn check_merges(
    bpe: &Bpe,
    ranks: &[(Vec<u8>, TokenId)],
    special: &[(String, TokenId)],
) -> Result<()> {
    let options = bpe.options();
    let plain = options.dropout.is_none()
        && options.unk_token.is_none()
        && options.continuing_subword_prefix.as_deref().unwrap_or_default().is_empty()
        && options.end_of_word_suffix.as_deref().unwrap_or_default().is_empty()
        && !options.byte_fallback;
    if !plain {
        let what =
            "a rank file of a model with dropout, an unknown token, affixes or byte fallback";
        return Err(Error::unsupported(what, "model"));
    }
    let by_ranks = Bpe::from_ranks(ranks, special)
        .map_err(|error| Error::unsupported(format!("a rank file here: {error}"), "model.vocab"))?;
    let both = by_ranks.merges().iter().zip(bpe.merges());
    let differs = both.clone().position(|(a, b)| a != b).or_else(|| {
        let (a, b) = (by_ranks.merges().len(), bpe.merges().len());
        (a != b).then_some(a.min(b))
    });
    if let Some(at) = differs {
        let what = format!("a rank file: merge {at} does not follow from the tokens' ids");
        return Err(Error::unsupported(what, format!("model.merges[{at}]")));
    }
    // A token that merging does not reach is found in a rank file when it is a whole piece.
    let long = ranks.iter().filter(|(bytes, _)| bytes.len() > 1).count();
    if !options.ignore_merges && long != by_ranks.merges().len() {
        let what = format!(
            "a rank file: {} tokens are never reached by merging, but would be found as whole pieces",
            long.saturating_sub(by_ranks.merges().len())
        );
        return Err(Error::unsupported(what, "model.merges"));
    }
    Ok(())
}

/// Whether all else is what reading a rank file gives.
fn check(declared: &TokenizerBuilder) -> Result<()> {
    let refuse = |name: &str, what: String| {
        Err(Error::unsupported(format!("a rank file with {what}"), name))
    };
    if let Some(normalizer) = &declared.normalizer {
        return refuse("normalizer", format!("the normalizer {}", normalizer.describe()));
    }
    match &declared.post_processor {
        None | Some(PostProcessor::ByteLevel { .. }) => {}
        Some(other) => {
            return refuse("post_processor", format!("the post_processor {}", other.name()));
        }
    }
    match &declared.pre_tokenizer {
        Some(pre_tokenizer) if has_prefix(pre_tokenizer) => {
            return refuse("pre_tokenizer", "add_prefix_space".to_owned());
        }
        Some(pre_tokenizer) if pre_tokenizer.is_byte_level() => {}
        _ => return refuse("pre_tokenizer", "pieces that are not bytes".to_owned()),
    }
    if declared.truncation.is_some() || declared.padding.is_some() {
        return refuse("truncation", "stored truncation or padding".to_owned());
    }
    Ok(())
}

fn has_prefix(pre_tokenizer: &PreTokenizer) -> bool {
    match pre_tokenizer {
        PreTokenizer::ByteLevel { add_prefix_space, .. } => *add_prefix_space,
        PreTokenizer::Sequence(members) => members.iter().any(has_prefix),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::read_tiktoken;
    use crate::regex::Dialect;
    use crate::tokenizer::AddedToken;

    fn tokenizer(
        ranks: &[(Vec<u8>, TokenId)],
        change: impl Fn(&mut TokenizerBuilder),
    ) -> Tokenizer {
        let special = [("<|end|>".to_owned(), 999)];
        let mut declared = TokenizerBuilder {
            pre_tokenizer: Some(PreTokenizer::byte_level_split(r"\w+|\W+")),
            dialect: Dialect::Tiktoken,
            added_tokens: vec![AddedToken::new("<|end|>", true)],
            ..TokenizerBuilder::new(Model::Bpe(Bpe::from_ranks(ranks, &special).unwrap()))
        };
        change(&mut declared);
        Tokenizer::build(declared).unwrap()
    }

    fn ranks() -> Vec<(Vec<u8>, TokenId)> {
        let mut ranks: Vec<_> = (0..=255u8).map(|byte| (vec![byte], byte.into())).collect();
        ranks.extend([(b"ab".to_vec(), 256), (b"abc".to_vec(), 258)]);
        ranks
    }

    #[test]
    fn ranks_come_back_as_they_were() {
        let file = to_tiktoken(&tokenizer(&ranks(), |_| {})).unwrap();
        assert_eq!(read_tiktoken(&file).unwrap(), ranks());
    }

    #[test]
    fn what_a_rank_file_cannot_say_is_named() {
        let problem = |change: &dyn Fn(&mut TokenizerBuilder)| {
            to_tiktoken(&tokenizer(&ranks(), change)).unwrap_err().to_string()
        };
        let found = problem(&|declared| {
            declared.normalizer = Some(crate::normalize::Normalizer::Nfc);
        });
        assert!(found.contains("NFC"), "{found}");
        let found = problem(&|declared| {
            declared.added_tokens.push(AddedToken::new("word", false));
        });
        assert!(found.contains("word"), "{found}");
        let found = problem(&|declared| {
            let lstrip = AddedToken { lstrip: true, ..AddedToken::new("<m>", true) };
            declared.added_tokens.push(lstrip);
        });
        assert!(found.contains("<m>"), "{found}");
    }
}
