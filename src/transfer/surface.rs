//! What a token stands for in text, whatever its vocabulary marks words with.

// `##ing` of WordPiece is `ing` inside a word, as `ing` is in GPT-2 and sentencepiece; `the` of WordPiece
// starts a word, as `Ġthe` and `▁the` do.

use crate::ids::TokenId;
use crate::model::Model;
use crate::tokenizer::Tokenizer;

/// A text, and whether it starts a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Surface {
    pub(super) starts: bool,
    pub(super) text: Vec<u8>,
}

/// How a vocabulary marks where words start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// What continues a word has this prefix.
    Continuing(String),
    /// What ends a word has this suffix. A token with it is taken for a whole word.
    Ending(String),
    /// What starts a word starts with a space, `▁` or `Ġ`.
    Space,
}

/// Sentencepiece's space.
const LOW_LINE: &[u8] = "▁".as_bytes();

impl Marks {
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        match &tokenizer.declaration().model {
            Model::WordPiece(model) => {
                Self::Continuing(model.options().continuing_subword_prefix.clone())
            }
            Model::Bpe(model) => {
                let options = model.options();
                let some = |affix: &Option<String>| affix.clone().filter(|affix| !affix.is_empty());
                match (some(&options.continuing_subword_prefix), some(&options.end_of_word_suffix))
                {
                    (Some(prefix), _) => Self::Continuing(prefix),
                    (None, Some(suffix)) => Self::Ending(suffix),
                    (None, None) => Self::Space,
                }
            }
            _ => Self::Space,
        }
    }

    /// What a token of the vocabulary stands for.
    pub(super) fn surface(&self, tokenizer: &Tokenizer, id: TokenId) -> Option<Surface> {
        let token = tokenizer.id_to_token(id)?;
        Some(match self {
            Self::Continuing(prefix) => match token.strip_prefix(prefix.as_str()) {
                Some(rest) if !rest.is_empty() => Surface { starts: false, text: rest.into() },
                _ => Surface { starts: true, text: token.into() },
            },
            Self::Ending(suffix) => match token.strip_suffix(suffix.as_str()) {
                Some(rest) if !rest.is_empty() => Surface { starts: true, text: rest.into() },
                _ => Surface { starts: false, text: token.into() },
            },
            Self::Space => {
                let bytes = match &tokenizer.declaration().model {
                    Model::Bpe(model) => model.token_bytes(id).map(<[u8]>::to_vec),
                    _ => None,
                };
                let bytes = bytes.or_else(|| tokenizer.token_bytes(id))?;
                let rest = bytes.strip_prefix(b" ").or_else(|| bytes.strip_prefix(LOW_LINE));
                Surface { starts: rest.is_some(), text: rest.unwrap_or(&bytes).to_vec() }
            }
        })
    }
}
