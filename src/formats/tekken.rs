//! `tekken.json`, mistral's rank files: ranks, a split pattern and special tokens in one file.

// Special tokens come first: the id of a token is its rank and their number. The list of tokens is
// longer than the vocabulary, and is cut; files from before special tokens were listed have those
// that were known then.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashSet;
use serde::Deserialize;

use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};
use crate::model::{Bpe, Model};
use crate::pretokenize::PreTokenizer;
use crate::regex::Dialect;
use crate::tokenizer::{AddedToken, TokenizerBuilder};

/// The name of the format in errors.
const FORMAT: &str = "tekken.json";

/// The special tokens of files that list none, by id.
const UNLISTED: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(Deserialize)]
struct File {
    config: Config,
    vocab: Vec<Entry>,
    #[serde(default)]
    special_tokens: Option<Vec<Special>>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
}

#[derive(Deserialize)]
struct Entry {
    rank: TokenId,
    token_bytes: String,
}

#[derive(Deserialize)]
struct Special {
    rank: TokenId,
    token_str: String,
}

/// Whether a JSON file is of this kind, by names that no other kind has.
pub(super) fn is_tekken(bytes: &[u8]) -> bool {
    [&b"\"default_num_special_tokens\""[..], b"\"token_bytes\""]
        .iter()
        .all(|name| memchr::memmem::find(bytes, name).is_some())
}

/// The declaration in a `tekken.json`.
///
/// # Errors
/// [`Error::Format`] with the line and column of a syntax error, or the path of what does not belong
/// there, such as `vocab[17].rank`.
pub fn from_tekken(bytes: &[u8]) -> Result<TokenizerBuilder> {
    let File { config, vocab, special_tokens } =
        serde_json::from_slice(bytes).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::format(FORMAT, place, error.to_string())
        })?;
    let count = config.default_num_special_tokens;
    let size = config.default_vocab_size;
    let wanted = size.checked_sub(count).filter(|&wanted| wanted <= vocab.len());
    let Some(wanted) = wanted else {
        let problem =
            format!("{size} ids, of which {count} are special, but {} tokens", vocab.len());
        return Err(Error::format(FORMAT, "config.default_vocab_size", problem));
    };
    let special = specials(special_tokens, count)?;
    let base = TokenId::try_from(count).ok().filter(|&base| base <= MAX_ID / 2);
    let base = base.ok_or_else(|| {
        let place = "config.default_num_special_tokens";
        Error::format(FORMAT, place, format!("{count} is too many"))
    })?;
    let ranks = ranks(vocab.into_iter().take(wanted), base)?;
    let model = Bpe::from_ranks(&ranks, &special).map_err(|error| match error {
        Error::Format { place, problem, .. } => Error::format(FORMAT, place, problem),
        other => other,
    })?;
    let decoder =
        Decoder::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };
    Ok(TokenizerBuilder {
        pre_tokenizer: Some(PreTokenizer::byte_level_split(config.pattern)),
        dialect: Dialect::Tiktoken,
        decoder: Some(decoder),
        added_tokens: special.iter().map(|(token, _)| AddedToken::new(token, true)).collect(),
        ..TokenizerBuilder::new(Model::Bpe(model))
    })
}

/// The special tokens, `count` in number: those that are listed, and names for the rest.
fn specials(listed: Option<Vec<Special>>, count: usize) -> Result<Vec<(String, TokenId)>> {
    let unlisted = || {
        let both = (0..).zip(UNLISTED);
        both.map(|(rank, token)| Special { rank, token_str: token.to_owned() }).collect()
    };
    let listed = listed.unwrap_or_else(unlisted);
    // Room for names is asked for on the word of the file alone: it has to be a sensible one.
    if count > listed.len().saturating_add(MAX_UNNAMED) || listed.len() > count {
        let problem = format!("{count}, but {} are listed", listed.len());
        return Err(Error::format(FORMAT, "config.default_num_special_tokens", problem));
    }
    let mut names: Vec<Option<String>> = vec![None; count];
    let mut seen = HashSet::new();
    for (index, Special { rank, token_str }) in listed.into_iter().enumerate() {
        let fail = |field: &str, problem: String| {
            Err(Error::format(FORMAT, format!("special_tokens[{index}].{field}"), problem))
        };
        if token_str.is_empty() || !seen.insert(token_str.clone()) {
            return fail("token_str", format!("{token_str:?} is empty, or there already"));
        }
        match names.get_mut(rank as usize) {
            Some(name @ None) => *name = Some(token_str),
            Some(_) => return fail("rank", format!("{rank} is another token's")),
            None => return fail("rank", format!("{rank}, and there are {count} of them")),
        }
    }
    let named =
        (0..).zip(names).map(|(id, name)| (name.unwrap_or_else(|| format!("<SPECIAL_{id}>")), id));
    Ok(named.collect())
}

/// The most special tokens that may have no name.
const MAX_UNNAMED: usize = 100_000;

fn ranks(vocab: impl Iterator<Item = Entry>, base: TokenId) -> Result<Vec<(Vec<u8>, TokenId)>> {
    let mut ranks: Vec<(Vec<u8>, TokenId)> = Vec::new();
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    for (index, Entry { rank, token_bytes }) in (0..).zip(vocab) {
        let fail = |field: &str, problem: String| {
            Err(Error::format(FORMAT, format!("vocab[{index}].{field}"), problem))
        };
        if rank != index {
            return fail("rank", format!("{rank}, but ranks are in order: {index}"));
        }
        let bytes = match STANDARD.decode(&token_bytes) {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Ok(_) => return fail("token_bytes", "the token is empty".to_owned()),
            Err(error) => return fail("token_bytes", format!("no base64: {error}")),
        };
        if !seen.insert(bytes.clone()) {
            return fail("token_bytes", format!("{token_bytes:?} is there already"));
        }
        let id = base.checked_add(rank).filter(|&id| id <= MAX_ID);
        let Some(id) = id else {
            return fail("rank", format!("{rank} gives an id above {MAX_ID}"));
        };
        ranks.push((bytes, id));
    }
    Ok(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{EncodeOptions, Input, Tokenizer, UnknownIds};

    fn file(special: &str, edit: impl Fn(usize, &[u8]) -> String) -> String {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend([b"ab".to_vec(), b"abc".to_vec(), b"beyond".to_vec()]);
        let vocab: Vec<String> = tokens.iter().enumerate().map(|(at, x)| edit(at, x)).collect();
        format!(
            r#"{{"config":{{"pattern":"\\w+|\\s+|.","num_vocab_tokens":300,"default_vocab_size":282,
            "default_num_special_tokens":24,"version":"v3"}},"vocab":[{}]{special}}}"#,
            vocab.join(",")
        )
    }

    fn entry(rank: usize, bytes: &[u8]) -> String {
        let text = STANDARD.encode(bytes);
        format!(r#"{{"rank":{rank},"token_bytes":"{text}","token_str":null}}"#)
    }

    fn ids(text: &str, options: &EncodeOptions, special: &str) -> Vec<TokenId> {
        let declared = from_tekken(file(special, entry).as_bytes()).unwrap();
        let tokenizer = Tokenizer::build(declared).unwrap();
        let mut ids = Vec::new();
        tokenizer.encode_ids(Input::Text(text), None, options, &mut ids).unwrap();
        let back = tokenizer.decode(&ids, false, UnknownIds::Error).unwrap();
        assert_eq!(back, text);
        ids
    }

    #[test]
    fn ids_are_ranks_behind_the_special_tokens() {
        let options = EncodeOptions::default();
        assert_eq!(ids("abc ab", &options, ""), [24 + 257, 24 + 32, 24 + 256]);
        assert_eq!(ids("a</s><SPECIAL_23>", &options, ""), [24 + 97, 2, 23]);
        let special = r#","special_tokens":[{"rank":1,"token_str":"<x>","is_control":true}]"#;
        assert_eq!(ids("<x><SPECIAL_0>", &options, special), [1, 0]);
        let plain = EncodeOptions { split_special_tokens: true, ..options };
        assert_eq!(ids("<x>", &plain, special).len(), 3);
    }

    #[test]
    fn the_list_is_cut_at_the_size_of_the_vocabulary() {
        let declared = from_tekken(file("", entry).as_bytes()).unwrap();
        assert_eq!(declared.model.vocab().len(), 24 + 258);
        assert_eq!(declared.model.vocab().id("beyond"), None);
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        let problem = |text: &str| from_tekken(text.as_bytes()).unwrap_err().to_string();
        let shifted = file("", |at, bytes| entry(at + usize::from(at == 7), bytes));
        assert!(problem(&shifted).contains("vocab[7].rank: 8"));
        let twice = file("", |at, bytes| entry(at, if at == 9 { b"a" } else { bytes }));
        assert!(problem(&twice).contains("vocab[97].token_bytes"));
        let broken = file("", |at, bytes| entry(at, bytes).replace("YWI=", "YWI"));
        assert!(problem(&broken).contains("vocab[256].token_bytes: no base64"));
        let special = r#","special_tokens":[{"rank":24,"token_str":"<x>"}]"#;
        assert!(problem(&file(special, entry)).contains("special_tokens[0].rank"));
        let huge = file("", entry).replace(":24,", ":4000000000,");
        assert!(problem(&huge).contains("config.default_"));
        let long = file("", entry).replace(":282,", ":2820,");
        assert!(problem(&long).contains("config.default_vocab_size"));
        assert!(problem("{\"config\": 1").contains("line 1"));
    }
}
