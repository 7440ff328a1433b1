//! What special tokens are for, so that `[CLS]` finds `<s>`.

use crate::ids::TokenId;
use crate::model::Model;
use crate::postprocess::{PostProcessor, TemplatePiece};
use crate::tokenizer::Tokenizer;

/// A job that a special token has in a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Fills rows up.
    Padding,
    /// Stands for what has no token.
    Unknown,
    /// Comes before a text: `[CLS]`, `<s>`.
    Begin,
    /// Comes after a text: `[SEP]`, `</s>`.
    End,
    /// Hides a token in training.
    Mask,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Padding, Self::Unknown, Self::Begin, Self::End, Self::Mask];

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Padding => "padding",
            Self::Unknown => "unknown",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Mask => "mask",
        }
    }

    /// The strings that mean it, the most telling first.
    fn strings(self) -> &'static [&'static str] {
        match self {
            Self::Padding => &["[PAD]", "<pad>", "<|pad|>", "<|padding|>", "<PAD>"],
            Self::Unknown => &["[UNK]", "<unk>", "<|unk|>", "<UNK>"],
            Self::Begin => &[
                "[CLS]",
                "<s>",
                "<bos>",
                "[BOS]",
                "<cls>",
                "<|begin_of_text|>",
                "<|startoftext|>",
                "<|bos|>",
            ],
            Self::End => &[
                "[SEP]",
                "</s>",
                "<eos>",
                "[EOS]",
                "<sep>",
                "<|end_of_text|>",
                "<|endoftext|>",
                "<|eos|>",
            ],
            Self::Mask => &["[MASK]", "<mask>", "<|mask|>"],
        }
    }
}

/// The tokens of a vocabulary that have a role: of each, those that the tokenizer itself uses come
/// first, then those that are called so.
#[derive(Debug)]
pub(super) struct Roles([Vec<TokenId>; 5]);

impl Roles {
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let declared = tokenizer.declaration();
        let mut found = Role::ALL.map(|role| used(tokenizer, role));
        if let Some(padding) = &declared.padding {
            found[Role::Padding as usize].push(padding.pad_id);
        }
        for role in Role::ALL {
            let ids = role.strings().iter().filter_map(|token| tokenizer.token_to_id(token));
            found[role as usize].extend(ids);
        }
        for ids in &mut found {
            ids.retain(|id| tokenizer.id_to_token(*id).is_some());
            let mut seen = Vec::new();
            ids.retain(|id| {
                !seen.contains(id) && {
                    seen.push(*id);
                    true
                }
            });
        }
        Self(found)
    }

    /// The role of a token.
    pub(super) fn role(&self, id: TokenId) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.0[*role as usize].contains(&id))
    }

    /// The first token of a role. Where nothing comes before a text, what comes after it stands between
    /// texts, and so before the next.
    pub(super) fn first(&self, role: Role) -> Option<TokenId> {
        let first = |role: Role| self.0[role as usize].first().copied();
        match role {
            Role::Begin => first(role).or_else(|| first(Role::End)),
            Role::End => first(role).or_else(|| first(Role::Begin)),
            _ => first(role),
        }
    }
}

/// The tokens that the model and the post-processor use in a role.
fn used(tokenizer: &Tokenizer, role: Role) -> Vec<TokenId> {
    let declared = tokenizer.declaration();
    match role {
        Role::Unknown => unknown(&declared.model).into_iter().collect(),
        Role::Begin | Role::End => {
            let mut ids = Vec::new();
            if let Some(post) = &declared.post_processor {
                around(post, role == Role::Begin, &mut ids);
            }
            ids
        }
        Role::Padding | Role::Mask => Vec::new(),
    }
}

pub(super) fn unknown(model: &Model) -> Option<TokenId> {
    match model {
        Model::WordPiece(model) => Some(model.unk_id()),
        Model::Bpe(model) => {
            model.options().unk_token.as_ref().and_then(|token| model.vocab().id(token))
        }
        Model::Unigram(model) => model.options().unk_id,
        Model::SentencePiece(model) => Some(model.unk_id()),
        Model::WordLevel(model) => model.vocab().id(model.unk_token()),
    }
}

/// What a post-processor puts before one text, or after it.
fn around(post: &PostProcessor, before: bool, ids: &mut Vec<TokenId>) {
    match post {
        PostProcessor::Bert { sep, cls } | PostProcessor::Roberta { sep, cls, .. } => {
            ids.push(if before { cls.1 } else { sep.1 });
        }
        PostProcessor::Template(template) => {
            let single = template.single();
            let at = single.iter().position(|x| matches!(x, TemplatePiece::Sequence { .. }));
            let at = at.unwrap_or(single.len());
            let piece = if before { single[..at].first() } else { single[at..].last() };
            if let Some(TemplatePiece::Special { name, .. }) = piece {
                let special = template.special_tokens().iter().find(|x| x.name == *name);
                ids.extend(special.into_iter().flat_map(|special| special.ids.iter().copied()));
            }
        }
        PostProcessor::Sequence(members) => {
            for member in members {
                around(member, before, ids);
            }
        }
        PostProcessor::ByteLevel { .. } => {}
    }
}
