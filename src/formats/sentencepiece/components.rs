//! A sentencepiece model out of components that a `tokenizer.json` has, where they are equal to it.

// Why one merge for each piece says all. sentencepiece merges two neighbours that together spell a
// piece, the best score first and of equal ones the leftmost; a tokenizer.json merges listed pairs, the
// first of the list first and of equal ones the leftmost.
//
// Take a piece that is made somewhere in a text. No merge before that one crossed its ends, or it could
// not be made; and which of the merges inside comes next depends on scores and places inside alone. So
// what happened inside is what happens when the piece is encoded alone: the two parts that are joined
// last are always the same ones (`SentencePiece::last_split`), and a piece that is not made alone is
// never made. It also follows that another pair that spells the piece never stands side by side.
//
// With that pair listed for each piece, by falling score, both rules choose the same merge at each step:
// the best of sentencepiece is in the list, everything in the list is open to sentencepiece, and the
// order is the same if no two scores are (then the place decides there, and the list here). That the
// list may hold more splits of a piece, as files of the reference library's converters do, changes
// nothing, since those pairs are never met.
//
// One kind of equal scores occurs in models that people use: runs of one character, mostly of spaces,
// that were added with the worst score of all. When all pieces that are runs of this character are among
// them, and no other piece has one of them as a part, they are merged after everything else is, each
// stretch of the character apart. From the left, a stretch is blocks of which no two neighbours merge,
// and single characters behind. The leftmost merge is the last block with the one before it, if the last
// one has just grown; or else with the character behind it; or else the first two characters. Of the
// merges that are open each of these makes a longer piece than those after it, so that the longest
// pieces, listed first, are the leftmost.
//
// Both parts have to be tokens: sentencepiece merges by text and has no such need. Everything else that
// could differ is refused in what follows, or is for the caller to accept.

use std::collections::HashMap;

use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::sentencepiece::SentencePieceScratch;
use crate::model::{
    Alphabet, Bpe, BpeOptions, Model, PieceKind, SentencePiece, SentencePieceKind, Vocab,
};
use crate::normalize::{Normalizer, Replace, SentencePieceNormalizer};
use crate::regex::Pattern;
use crate::tokenizer::{AddedToken, Tokenizer, TokenizerBuilder};

const SPACE: &str = "\u{2581}";

/// Where a `tokenizer.json` cannot be equal to a sentencepiece model, and the caller does not mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Texts that contain the text of a control or unknown piece, such as `<s>`: it is found there, and
    /// text after it begins anew, with a space in front.
    pub controls: bool,
    /// Decoding ids that no text is encoded to: broken characters, control and unknown pieces.
    pub decoding: bool,
}

/// The same tokenizer out of components that a `tokenizer.json` has.
///
/// # Errors
/// [`Error::Unsupported`] names the first thing that would be different: the model is no BPE, changes
/// text by a map, takes white space away, has no pieces of bytes ...; or what the caller has to accept.
pub fn sentencepiece_components(
    tokenizer: &Tokenizer,
    accepted: Accepted,
) -> Result<TokenizerBuilder> {
    let declared = tokenizer.declaration();
    let Model::SentencePiece(model) = &declared.model else {
        let what = format!("other components for a {} model", declared.model.kind());
        return Err(Error::unsupported(what, "model"));
    };
    let (Some(Normalizer::SentencePiece(normalizer)), Some(Decoder::SentencePiece(_))) =
        (&declared.normalizer, &declared.decoder)
    else {
        let what = "a sentencepiece model with another normalizer or decoder than its own";
        return Err(Error::unsupported(what, "model"));
    };
    let beside = declared.pre_tokenizer.is_some()
        || declared.post_processor.is_some()
        || declared.truncation.is_some()
        || declared.padding.is_some()
        || !declared.added_tokens.is_empty();
    if beside {
        let what = "a sentencepiece model with further components or added tokens";
        return Err(refused(what, "model"));
    }
    check_model(model)?;
    check_normalizer(normalizer)?;
    let prefix = normalizer.spaces().add_dummy_prefix;
    check_pieces(model, prefix)?;
    check_accepted(model, accepted)?;
    let merges = merges(model)?;
    let options = BpeOptions {
        alphabet: Alphabet::Chars,
        unk_token: model.vocab().token(model.unk_id()).map(str::to_owned),
        fuse_unk: true,
        byte_fallback: true,
        ..BpeOptions::default()
    };
    let vocab = model.vocab().iter().map(|(id, text)| (text.to_owned(), id)).collect();
    let bpe = Bpe::of(Vocab::new(vocab)?, &merges, options)?;
    let spaces = Replace::new(Pattern::String(" ".to_owned()), SPACE)?;
    let mut normalizers = vec![Normalizer::Replace(spaces)];
    let mut decoders = vec![
        Decoder::Replace { pattern: Pattern::String(SPACE.to_owned()), content: " ".to_owned() },
        Decoder::ByteFallback,
        Decoder::Fuse,
    ];
    if prefix {
        normalizers.insert(0, Normalizer::Prepend(SPACE.to_owned()));
        decoders.push(Decoder::Strip { content: ' ', start: 1, stop: 0 });
    }
    let added = pieces(model).filter_map(|(_, text, kind)| match kind {
        PieceKind::Control | PieceKind::Unknown => Some(AddedToken::new(text, true)),
        PieceKind::UserDefined => {
            Some(AddedToken { normalized: false, ..AddedToken::new(text, false) })
        }
        _ => None,
    });
    Ok(TokenizerBuilder {
        normalizer: Some(Normalizer::Sequence(normalizers)),
        decoder: Some(Decoder::Sequence(decoders)),
        added_tokens: added.collect(),
        ..TokenizerBuilder::new(Model::Bpe(bpe))
    })
}

fn refused(what: impl std::fmt::Display, place: &str) -> Error {
    Error::unsupported(format!("a tokenizer.json of {what}"), place)
}

fn pieces(model: &SentencePiece) -> impl Iterator<Item = (TokenId, &str, PieceKind)> {
    model.vocab().iter().zip(model.kinds()).map(|((id, text), kind)| (id, text, *kind))
}

fn check_model(model: &SentencePiece) -> Result<()> {
    let options = model.options();
    let reason = match options.kind {
        SentencePieceKind::Bpe if options.space_is_suffix => {
            "white space behind its word: no component puts one space behind a text"
        }
        SentencePieceKind::Bpe if !options.byte_fallback => {
            "a model without byte_fallback: no decoder gives unknown text the surface that it has here"
        }
        SentencePieceKind::Bpe => return Ok(()),
        SentencePieceKind::Unigram => {
            "a UNIGRAM model: its scores are added up in 32 bits, those of a tokenizer.json in 64, so \
             near ties may fall the other way; a character map takes the longest rule here, and \
             whole clusters or single characters there"
        }
        SentencePieceKind::Word => {
            "a WORD model: a WordLevel model has one unknown token for each word, this one for a run \
             of them, and is decoded to another surface"
        }
        SentencePieceKind::Char => {
            "a CHAR model: no model of a tokenizer.json takes symbols of the user's and then single \
             characters"
        }
    };
    Err(refused(reason, "trainer_spec"))
}

fn check_normalizer(normalizer: &SentencePieceNormalizer) -> Result<()> {
    let spaces = normalizer.spaces();
    let reason = if !normalizer.charsmap().is_empty() {
        "a character map: it takes the longest rule here, and whole clusters or single characters in \
         a Precompiled normalizer"
    } else if spaces.remove_extra {
        "remove_extra_whitespaces: no normalizer takes spaces away as it does, `▁` at the end included"
    } else if !spaces.escape {
        "spaces that are not escaped: decoding makes spaces of `▁` all the same"
    } else {
        return Ok(());
    };
    Err(refused(reason, "normalizer_spec"))
}

fn check_pieces(model: &SentencePiece, prefix: bool) -> Result<()> {
    for (id, text, kind) in pieces(model) {
        let fail = |what: String| Err(refused(what, &format!("pieces[{id}]")));
        // What the decoder takes for a byte, by its shape alone.
        let byte_like = text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
        match kind {
            PieceKind::Unused => {
                return fail(format!(
                    "the unused piece {text:?}: it is merged and taken apart again"
                ));
            }
            PieceKind::Control | PieceKind::Unknown if text.chars().nth(1).is_none() => {
                return fail(format!("the control or unknown piece {text:?}, a single character"));
            }
            PieceKind::UserDefined if prefix => {
                return fail(format!(
                    "the user's symbol {text:?} in a model with add_dummy_prefix: text behind an added \
                     token would get a space in front"
                ));
            }
            PieceKind::UserDefined if text.contains([' ', '\u{2581}']) => {
                return fail(format!("the user's symbol {text:?}, which contains a space"));
            }
            PieceKind::Normal | PieceKind::UserDefined if byte_like => {
                return fail(format!("the piece {text:?}, which would be decoded as a byte"));
            }
            PieceKind::Normal if text.contains('\0') => {
                return fail("the piece NUL, which is never found here".to_owned());
            }
            _ => {}
        }
    }
    let symbols = pieces(model).filter(|(_, _, kind)| *kind == PieceKind::UserDefined).count();
    if symbols > MAX_SYMBOLS {
        return Err(refused(
            format!("{symbols} symbols of the user's, and {MAX_SYMBOLS} is the most"),
            "pieces",
        ));
    }
    Ok(())
}

/// sentencepiece sees so many symbols that are prefixes of each other.
const MAX_SYMBOLS: usize = 64;

fn check_accepted(model: &SentencePiece, accepted: Accepted) -> Result<()> {
    let control = pieces(model)
        .find(|(_, _, kind)| matches!(kind, PieceKind::Control | PieceKind::Unknown))
        .map_or("<unk>", |(_, text, _)| text);
    let mut missing = Vec::new();
    if !accepted.controls {
        missing.push(format!(
            "controls ({control:?} in a text would be found as the token, and is spelled by letters \
             here)"
        ));
    }
    if !accepted.decoding {
        let what = "decoding (ids that no text is encoded to would be decoded otherwise: bytes of half \
                    a character, unknown pieces, control pieces that are not skipped)";
        missing.push(what.to_owned());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" and ");
    Err(refused(format!("this model without accepting {missing}"), "pieces"))
}

/// The two parts of each piece that merging makes, the best score first.
fn merges(model: &SentencePiece) -> Result<Vec<(&str, &str)>> {
    let kinds: HashMap<&str, PieceKind> =
        pieces(model).map(|(_, text, kind)| (text, kind)).collect();
    let is_token = |text: &str| kinds.get(text) == Some(&PieceKind::Normal);
    let mut scratch = SentencePieceScratch::default();
    let mut found = Vec::new();
    for (id, text, _) in pieces(model).filter(|(_, _, kind)| *kind == PieceKind::Normal) {
        let Some(at) = model.last_split(text, &mut scratch) else { continue };
        let (left, right) = text.split_at(at);
        if let Some(part) = [left, right].into_iter().find(|part| !is_token(part)) {
            let what = format!("the piece {text:?}, made of {part:?}, which is no piece itself");
            return Err(refused(what, &format!("pieces[{id}]")));
        }
        let score = model.scores().get(id as usize).copied().unwrap_or_default();
        found.push(Merged { score, id, text, at });
    }
    found.sort_unstable_by(|a, b| {
        b.score.total_cmp(&a.score).then(b.text.len().cmp(&a.text.len())).then(a.id.cmp(&b.id))
    });
    // Zero with a sign is not below zero without, to everybody.
    let tied =
        |a: &Merged, b: &Merged| a.score.partial_cmp(&b.score) == Some(std::cmp::Ordering::Equal);
    let mut groups = found.chunk_by(tied).filter(|group| group.len() > 1);
    if let Some(group) = groups.next()
        && !(groups.next().is_none() && are_runs(group, &found))
    {
        let (a, b) = (&group[0], &group[1]);
        let what = format!(
            "two pieces with the score {}: which of them is merged first depends on their places here, \
             and there on the list",
            a.score
        );
        let place = format!("pieces[{}], pieces[{}]", a.id.min(b.id), a.id.max(b.id));
        return Err(refused(what, &place));
    }
    Ok(found.into_iter().map(|Merged { text, at, .. }| text.split_at(at)).collect())
}

/// A piece that merging makes.
#[derive(Debug)]
struct Merged<'a> {
    score: f32,
    id: TokenId,
    text: &'a str,
    /// Where the last merge parts it.
    at: usize,
}

/// Whether equal scores do not matter in a group of `all`: they are the worst, the pieces are runs of one
/// character, all such, and nothing else is made of them.
fn are_runs(group: &[Merged<'_>], all: &[Merged<'_>]) -> bool {
    let Some(c) = group.first().and_then(|merged| merged.text.chars().next()) else { return false };
    let is_run = |text: &str| text.chars().all(|other| other == c);
    let is_long = |part: &str| is_run(part) && part.len() > c.len_utf8();
    let (others, rest) = all.split_at(all.len() - group.len());
    let is_last = rest.first().map(|merged| merged.id) == group.first().map(|merged| merged.id);
    is_last
        && group.iter().all(|merged| is_run(merged.text))
        && others.iter().all(|merged| {
            let (left, right) = merged.text.split_at(merged.at);
            !is_run(merged.text) && !is_long(left) && !is_long(right)
        })
}
