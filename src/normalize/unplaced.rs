//! Steps on a text whose first character came from nowhere.
//!
//! A match of nothing at the very beginning has no character before it to share an origin with, so what
//! `Replace` puts there has none (`Prepend` of an empty text does the same to the first character). The
//! reference library then applies any other step to what *has* an origin, but gives it the whole text to
//! rewrite: what came from nowhere appears twice, and where too few characters go the library dies
//! of an index out of bounds. Both happens here, save that the latter is an error.
//!
//! Each step is taken as the library takes it, in as many passes, since each doubles that text again.

use super::changes::{Changes, Moves};
use super::run::State;
use super::simple::{filter, nmt_drops, nmt_space, rewrite};
use super::{BertNormalizer, Form, Normalizer, simple};
use crate::error::Result;
use crate::unicode::bert::{CHINESE, MARK, REMOVED, WHITE, flags};

type Walk<'a> = dyn Fn(&str, &mut Moves<'_>) -> Result<bool> + 'a;

/// A step that rewrites the whole text, though no character changes.
fn whole(state: &mut State<'_>, walk: &Walk<'_>) -> Result<()> {
    state.change(true, |input, moves| {
        if !walk(input, moves)? {
            moves.keep(input);
        }
        Ok(true)
    })
}

/// A step that rewrites the text only if anything changes.
fn changed(state: &mut State<'_>, walk: &Walk<'_>) -> Result<()> {
    state.change(true, |input, moves| walk(input, moves))
}

pub(super) fn step(step: &Normalizer, state: &mut State<'_>) -> Result<()> {
    let form =
        |state: &mut State<'_>, form: Form| whole(state, &|text, sink| form.walk(text, sink));
    match step {
        Normalizer::Nfc => form(state, Form::NFC),
        Normalizer::Nfd => form(state, Form::NFD),
        Normalizer::Nfkc => form(state, Form::NFKC),
        Normalizer::Nfkd => form(state, Form::NFKD),
        Normalizer::ByteLevel => whole(state, &|text, sink| Ok(simple::byte_level(text, sink))),
        Normalizer::Lowercase => whole(state, &|text, sink| Ok(simple::lowercase(text, sink))),
        Normalizer::StripAccents => {
            whole(state, &|text, sink| Ok(simple::strip_accents(text, sink)))
        }
        Normalizer::Nmt => {
            whole(state, &|text, sink| Ok(filter(text, |_| false, |c| !nmt_drops(c), sink)))?;
            whole(state, &|text, sink| Ok(map(text, nmt_space, sink)))
        }
        Normalizer::Precompiled(precompiled) => {
            changed(state, &|text, sink| precompiled.walk(text, sink))
        }
        Normalizer::Strip { left, right } => {
            changed(state, &|text, sink| Ok(simple::strip(text, *left, *right, sink)))
        }
        Normalizer::Bert(bert) => self::bert(bert, state),
        Normalizer::Prepend(_)
        | Normalizer::Replace(_)
        | Normalizer::SentencePiece(_)
        | Normalizer::Sequence(_) => Ok(()),
    }
}

fn map(text: &str, to: impl Fn(char) -> char, sink: &mut impl Changes) -> bool {
    rewrite(text, |_| false, sink, |c| to(c) != c, |c, sink| sink.put(to(c), 0))
}

fn bert(bert: &BertNormalizer, state: &mut State<'_>) -> Result<()> {
    if bert.clean_text {
        whole(state, &|text, sink| Ok(filter(text, |_| false, |c| flags(c) & REMOVED == 0, sink)))?;
        let white = |c| if flags(c) & WHITE == 0 { c } else { ' ' };
        whole(state, &|text, sink| Ok(map(text, white, sink)))?;
    }
    if bert.handle_chinese_chars {
        whole(state, &|text, sink| {
            let chinese = |c| flags(c) & CHINESE != 0;
            Ok(rewrite(
                text,
                |_| true,
                sink,
                chinese,
                |c, sink| {
                    sink.put(' ', 0);
                    sink.put(c, 1);
                    sink.put(' ', 1);
                },
            ))
        })?;
    }
    if bert.strips_accents() {
        whole(state, &|text, sink| Form::NFD.walk(text, sink))?;
        whole(state, &|text, sink| Ok(filter(text, |_| true, |c| flags(c) & MARK == 0, sink)))?;
    }
    if bert.lowercase {
        whole(state, &|text, sink| Ok(simple::lowercase(text, sink)))?;
    }
    Ok(())
}
