//! The `model` of a `tokenizer.json`.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::formats::document::ModelDocument;
use crate::formats::json::{FORMAT, MAX_COMPONENT_BYTES};
use crate::formats::json_read::{MergeText, ModelParts, Part};
use crate::formats::node::{Node, shown};
use crate::ids::TokenId;
use crate::model::{Alphabet, BpeOptions, UnigramOptions};

/// The fields of the model, each where it can be asked for.
struct Model<'a> {
    fields: Vec<(String, Part<'a>)>,
    /// What was read ahead of its fields.
    vocab: Option<Vec<(Cow<'a, str>, TokenId)>>,
    merges: Option<Vec<MergeText<'a>>>,
}

/// Reads the model; `ahead` is what of it was read before.
pub(super) fn read<'a>(part: Part<'a>, ahead: Option<ModelParts<'a>>) -> Result<ModelDocument<'a>> {
    let model = match ahead {
        Some(ModelParts { fields, vocab, merges }) => Model { fields, vocab, merges },
        None => Model { fields: part.object("model")?, vocab: None, merges: None },
    };
    match model.kind()? {
        Kind::Bpe => model.bpe(),
        Kind::WordPiece => model.wordpiece(),
        Kind::WordLevel => model.wordlevel(),
        Kind::Unigram => model.unigram(),
    }
}

/// Whether a model of version 2.0 merges bytes.
pub(super) fn byte_level(part: Part<'_>) -> Result<bool> {
    let model = Model { fields: part.object("model")?, vocab: None, merges: None };
    Ok(model.small("byte_level", boolean)?.unwrap_or(false))
}

enum Kind {
    Bpe,
    WordPiece,
    WordLevel,
    Unigram,
}

impl<'a> Model<'a> {
    fn get(&self, key: &str) -> Option<Part<'a>> {
        self.fields.iter().find(|(name, _)| name == key).map(|&(_, part)| part)
    }

    fn required(&self, key: &str) -> Result<Part<'a>> {
        let problem = || format!("the field `{key}` is missing");
        self.get(key).ok_or_else(|| Error::format(FORMAT, "model", problem()))
    }

    /// A small field, read by `read`; nothing when it is absent or null.
    fn small<T>(&self, key: &str, read: impl FnOnce(&Node<'_>) -> Result<T>) -> Result<Option<T>> {
        let path = format!("model.{key}");
        match self.get(key) {
            Some(part) if !part.is_null() => {
                let value = part.value(&path, MAX_COMPONENT_BYTES)?;
                read(&Node::new(&value, path)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn required_small<T>(&self, key: &str, read: impl FnOnce(&Node<'_>) -> Result<T>) -> Result<T> {
        let path = format!("model.{key}");
        let value = self.required(key)?.value(&path, MAX_COMPONENT_BYTES)?;
        read(&Node::new(&value, path))
    }

    /// The declared kind, or what the fields of a file without a type tell.
    fn kind(&self) -> Result<Kind> {
        if self.get("type").is_some() {
            return self.required_small("type", |node| match node.string()? {
                "BPE" => Ok(Kind::Bpe),
                "WordPiece" => Ok(Kind::WordPiece),
                "WordLevel" => Ok(Kind::WordLevel),
                "Unigram" => Ok(Kind::Unigram),
                other => Err(node.fail(format!("there is no model type {}", shown(other)))),
            });
        }
        let has = |keys: &[&str]| keys.iter().all(|key| self.get(key).is_some());
        if has(&["vocab", "merges"]) {
            Ok(Kind::Bpe)
        } else if has(&[
            "vocab",
            "unk_token",
            "continuing_subword_prefix",
            "max_input_chars_per_word",
        ]) {
            Ok(Kind::WordPiece)
        } else if self.get("vocab").is_some_and(Part::is_list) {
            Ok(Kind::Unigram)
        } else if has(&["vocab", "unk_token"]) {
            Ok(Kind::WordLevel)
        } else {
            let problem = "there is no `type`, and the fields are not those of a model";
            Err(Error::format(FORMAT, "model", problem))
        }
    }

    /// The tokens and ids; to be asked for once.
    fn vocab(&mut self) -> Result<Vec<(Cow<'a, str>, TokenId)>> {
        match self.vocab.take() {
            Some(entries) => Ok(entries),
            None => self.required("vocab")?.vocab("model.vocab"),
        }
    }

    /// The merges; to be asked for once.
    fn merges(&mut self) -> Result<Vec<MergeText<'a>>> {
        match self.merges.take() {
            Some(merges) => Ok(merges),
            None => self.required("merges")?.merges("model.merges"),
        }
    }

    fn bpe(mut self) -> Result<ModelDocument<'a>> {
        let dropout = self.small("dropout", |node| match node.number()? {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the reference library's precision"
            )]
            number if (0.0..=1.0).contains(&number) => Ok(number as f32),
            number => Err(node.fail(format!("expected a number from 0 to 1, found {number}"))),
        })?;
        let text = |key| self.small(key, |node| node.string().map(str::to_owned));
        let flag = |key| self.small(key, boolean).map(Option::unwrap_or_default);
        Ok(ModelDocument::Bpe {
            options: BpeOptions {
                alphabet: Alphabet::Chars,
                dropout,
                unk_token: text("unk_token")?,
                continuing_subword_prefix: text("continuing_subword_prefix")?,
                end_of_word_suffix: text("end_of_word_suffix")?,
                fuse_unk: flag("fuse_unk")?,
                byte_fallback: flag("byte_fallback")?,
                ignore_merges: flag("ignore_merges")?,
            },
            vocab: self.vocab()?,
            merges: self.merges()?,
        })
    }

    fn wordlevel(mut self) -> Result<ModelDocument<'a>> {
        Ok(ModelDocument::WordLevel {
            unk_token: self.required_small("unk_token", |node| node.string().map(str::to_owned))?,
            vocab: self.vocab()?,
        })
    }

    fn unigram(&self) -> Result<ModelDocument<'a>> {
        Ok(ModelDocument::Unigram {
            options: UnigramOptions {
                unk_id: self.small("unk_id", id)?,
                byte_fallback: match self.get("byte_fallback") {
                    Some(_) => self.required_small("byte_fallback", boolean)?,
                    None => false,
                },
            },
            entries: self.required("vocab")?.scores("model.vocab")?,
        })
    }

    fn wordpiece(mut self) -> Result<ModelDocument<'a>> {
        let string = |key| self.required_small(key, |node| node.string().map(str::to_owned));
        Ok(ModelDocument::WordPiece {
            unk_token: string("unk_token")?,
            continuing_subword_prefix: string("continuing_subword_prefix")?,
            max_input_chars_per_word: self.required_small("max_input_chars_per_word", size)?,
            vocab: self.vocab()?,
        })
    }
}

fn boolean(node: &Node<'_>) -> Result<bool> {
    node.boolean()
}

fn id(node: &Node<'_>) -> Result<TokenId> {
    node.id()
}

fn size(node: &Node<'_>) -> Result<usize> {
    node.size()
}
