//! Which tokenizers the road is for, and what they do to a text.

use super::SPACE;
use crate::error::Result;
use crate::model::pieces::{Ids, Key, MAX_KEY, PieceTable};
use crate::model::{Model, ModelScratch};
use crate::normalize::Normalizer;
use crate::pretokenize::{PreTokenizer, PrependScheme};
use crate::regex::Pattern;
use crate::tokenizer::TokenizerBuilder;

/// When a text gets a space in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    Never,
    Always,
    /// When it does not begin with one.
    Missing,
    /// The same, and it stands first in its row.
    FirstMissing,
}

/// What happens to a text before the model sees it.
#[derive(Debug)]
pub(super) struct Shape {
    /// Comes before everything else, and leaves ASCII as it is.
    pub(super) front: Option<Normalizer>,
    pub(super) prefix: Prefix,
    /// Pieces begin at spaces, whatever tokens there are.
    pub(super) split: bool,
}

impl Shape {
    /// The shape of a declaration; none for one that does anything else.
    pub(super) fn of(declared: &TokenizerBuilder) -> Option<Self> {
        match (&declared.model, &declared.normalizer) {
            (Model::SentencePiece(model), Some(Normalizer::SentencePiece(normalizer))) => {
                let spaces = normalizer.spaces();
                let plain = normalizer.charsmap().is_empty()
                    && spaces.escape
                    && !spaces.remove_extra
                    && !spaces.as_suffix;
                let fits = model.may_cut() && plain && declared.pre_tokenizer.is_none();
                let prefix = if spaces.add_dummy_prefix { Prefix::Always } else { Prefix::Never };
                fits.then_some(Self { front: None, prefix, split: false })
            }
            (Model::Bpe(model), normalizer) if model.may_cut_anywhere() => {
                Self::of_components(normalizer.as_ref(), declared.pre_tokenizer.as_ref())
            }
            _ => None,
        }
    }

    fn of_components(
        normalizer: Option<&Normalizer>,
        pre_tokenizer: Option<&PreTokenizer>,
    ) -> Option<Self> {
        let mut steps = Vec::new();
        if let Some(normalizer) = normalizer {
            members(normalizer, &mut steps);
        }
        let mut steps = &steps[..];
        let forms = steps.iter().take_while(|step| is_form(step)).count();
        let front = (forms > 0)
            .then(|| Normalizer::Sequence(steps[..forms].iter().copied().cloned().collect()));
        steps = &steps[forms..];
        let prepends = take(&mut steps, is_prepend);
        let replaces = take(&mut steps, is_replace);
        if !steps.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        if let Some(pre_tokenizer) = pre_tokenizer {
            parts_of(pre_tokenizer, &mut parts);
        }
        // What looks for spaces where there are none does nothing.
        parts.retain(|part| !(replaces && looks_for_space(part)));
        let (prefix, split) = match *parts.as_slice() {
            [] if replaces && prepends => (Prefix::Always, false),
            [] if replaces => (Prefix::Never, false),
            [&PreTokenizer::Metaspace { replacement: SPACE, prepend, split }] if !prepends => {
                let prefix = match prepend {
                    PrependScheme::Never => Prefix::Never,
                    PrependScheme::Always => Prefix::Missing,
                    // A normaliser would decide which byte is the first of the text.
                    PrependScheme::First if normalizer.is_none() => Prefix::FirstMissing,
                    PrependScheme::First => return None,
                };
                (prefix, split)
            }
            _ => return None,
        };
        Some(Self { front, prefix, split })
    }

    /// Whether a text that starts at byte `base` of its row gets a space in front.
    #[inline]
    pub(super) fn prefixes(&self, text: &str, base: usize) -> bool {
        match self.prefix {
            Prefix::Never => false,
            Prefix::Always => true,
            Prefix::Missing => !text.starts_with([' ', SPACE]),
            Prefix::FirstMissing => base == 0 && !text.starts_with([' ', SPACE]),
        }
    }

    /// Appends a stretch as the model wants it.
    pub(super) fn write(text: &str, out: &mut String) {
        let mut words = text.split(' ');
        out.push_str(words.next().unwrap_or_default());
        for word in words {
            out.push(SPACE);
            out.push_str(word);
        }
    }

    /// Calls `part` with parts of a stretch that is written so: encoded alone they give its ids. It may
    /// be all of it.
    ///
    /// # Errors
    /// The first that `part` returns.
    pub(super) fn parts<'a>(
        &self,
        model: &Model,
        text: &'a str,
        mut part: impl FnMut(&'a str) -> Result<()>,
    ) -> Result<()> {
        let mut result = Ok(());
        let mut piece = |start: usize, end: usize| {
            let piece = &text[start..end];
            model.cuts(piece, |start, end| {
                if result.is_ok() {
                    result = part(&piece[start..end]);
                }
            });
        };
        let mut start = 0;
        if self.split {
            for (at, _) in text.match_indices(SPACE) {
                piece(start, at);
                start = at;
            }
        }
        piece(start, text.len());
        result
    }

    /// The results of these tokens, by the text that they are in before it is normalised.
    pub(super) fn table<'a>(
        &self,
        model: &Model,
        tokens: impl Iterator<Item = &'a str>,
    ) -> PieceTable {
        let mut state = ModelScratch::default();
        let mut ids = Vec::new();
        let mut entries = Vec::with_capacity(model.vocab().len() + 128);
        let mut add = |text: &str, known: Option<Ids>| {
            let Some(key) = raw_key(text) else { return };
            let ids = known.or_else(|| {
                ids.clear();
                self.parts(model, text, |part| model.encode_ids(part, &mut state, &mut ids))
                    .ok()?;
                Ids::new(&ids)
            });
            entries.extend(ids.map(|ids| (key, ids)));
        };
        // Newlines for one, which many models have no token for.
        for byte in 0..128 {
            let mut buffer = [0; 4];
            let text = char::from(byte).encode_utf8(&mut buffer);
            if model.vocab().id(text).is_none() {
                add(text, None);
            }
        }
        for token in tokens {
            // A token with a space inside is never made where texts are split at them.
            let whole = !self.split || !token.strip_prefix(SPACE).unwrap_or(token).contains(SPACE);
            add(token, if whole { known(model, token) } else { None });
        }
        PieceTable::build(entries.len(), entries.into_iter())
    }
}

/// The key of the raw text that becomes a token, if it is short enough. Once it is normalised no text
/// holds a space: a token that does is not met.
pub(super) fn raw_key(token: &str) -> Option<Key> {
    let mut raw = [0; MAX_KEY];
    let mut length = 0;
    let mut rest = token.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match rest.strip_prefix("\u{2581}".as_bytes()) {
            Some(after) => (b' ', after),
            None if byte == b' ' => return None,
            None => (byte, after),
        };
        *raw.get_mut(length)? = byte;
        length += 1;
        rest = after;
    }
    Key::new(&raw, 0, length)
}

/// What the model's own table says of a token.
fn known(model: &Model, token: &str) -> Option<Ids> {
    let key = Key::new(token.as_bytes(), 0, token.len())?;
    model.table().get(key, key.hash())
}

/// The steps of a normaliser.
fn members<'a>(normalizer: &'a Normalizer, steps: &mut Vec<&'a Normalizer>) {
    match normalizer {
        Normalizer::Sequence(parts) => {
            for part in parts {
                members(part, steps);
            }
        }
        step => steps.push(step),
    }
}

/// The steps of a pre-tokenizer.
fn parts_of<'a>(pre_tokenizer: &'a PreTokenizer, parts: &mut Vec<&'a PreTokenizer>) {
    match pre_tokenizer {
        PreTokenizer::Sequence(members) => {
            for member in members {
                parts_of(member, parts);
            }
        }
        part => parts.push(part),
    }
}

/// Takes the first step if it is such a one.
fn take(steps: &mut &[&Normalizer], wanted: impl Fn(&Normalizer) -> bool) -> bool {
    let found = steps.first().is_some_and(|step| wanted(step));
    *steps = &steps[usize::from(found)..];
    found
}

fn is_form(step: &Normalizer) -> bool {
    matches!(step, Normalizer::Nfc | Normalizer::Nfd | Normalizer::Nfkc | Normalizer::Nfkd)
}

fn is_prepend(step: &Normalizer) -> bool {
    matches!(step, Normalizer::Prepend(text) if is_space(text))
}

fn is_replace(step: &Normalizer) -> bool {
    matches!(step, Normalizer::Replace(replace)
        if matches!(replace.pattern(), Pattern::String(space) if space == " ")
            && is_space(replace.content()))
}

fn is_space(text: &str) -> bool {
    text.chars().eq([SPACE])
}

/// Whether a part cuts only where there are spaces.
fn looks_for_space(part: &PreTokenizer) -> bool {
    matches!(part, PreTokenizer::Split { pattern: Pattern::String(text), invert: false, .. }
        if text.contains(' '))
}
