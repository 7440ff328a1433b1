//! What each token covers, by id: the tiles that a text is paved with.
//!
//! Where no step drops a byte, the tokens of a stretch lie one after the other and cover all of it. Then
//! ids and the length of each say where every token stands, and nothing needs to be searched for, split
//! or looked up again. [`Tiles::new`] finds out for which tokenizers that holds, and computes the lengths;
//! `tiling.rs` lays them.

use super::Plan;
use crate::ids::TokenId;
use crate::model::{Alphabet, Bpe, Model, WordPiece};
use crate::normalize::Normalizer;
use crate::postprocess::blanks_of;
use crate::pretokenize::{PreTokenizer, PrependScheme};
use crate::regex::Pattern;

/// What a token covers, in one integer: bytes (16 bits), characters that start in it (16), characters of
/// white space at its beginning and its end (8 each), and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile(u64);

const COUNT: u64 = 0xFFFF;
const BLANK: u64 = 0xFF;
const STARTS_AT: u32 = 16;
const LEAD_AT: u32 = 32;
const TRAIL_AT: u32 = 40;
const INSIDE_AT: u32 = 48;

impl Tile {
    /// What it covers cannot be said by its id.
    pub(super) const ODD: u64 = 1 << 63;
    /// An added token has this id.
    pub(super) const ADDED: u64 = 1 << 62;
    const UNKNOWN: Self = Self(Self::ODD);

    /// The tile of `bytes`; `token` is the string that white space is counted in.
    fn new(bytes: &[u8], token: &str) -> Self {
        let starts = bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u64;
        let inside = u64::from(bytes.first().is_some_and(|byte| byte & 0xC0 == 0x80));
        let (lead, trail) = blanks_of(token);
        let (length, lead, trail) = (bytes.len() as u64, lead as u64, trail as u64);
        if length == 0 || length > COUNT || lead > BLANK || trail > BLANK {
            return Self::UNKNOWN;
        }
        let counts = length | starts << STARTS_AT;
        Self(counts | lead << LEAD_AT | trail << TRAIL_AT | inside << INSIDE_AT)
    }

    /// The flags, which may be gathered from many by `|`.
    #[inline]
    pub(super) fn flags(self) -> u64 {
        self.0
    }

    /// The bytes it covers; of WordPiece's continuations, without the prefix.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        small(self.0 & COUNT) as usize
    }

    /// The characters that start in it.
    #[inline]
    pub(super) fn starts(self) -> u32 {
        small(self.0 >> STARTS_AT & COUNT)
    }

    /// The characters of white space at its beginning.
    #[inline]
    pub(super) fn lead(self) -> u32 {
        small(self.0 >> LEAD_AT & BLANK)
    }

    /// The characters of white space at its end.
    #[inline]
    pub(super) fn trail(self) -> u32 {
        small(self.0 >> TRAIL_AT & BLANK)
    }

    /// 1 for what begins inside a character, or inside a word of WordPiece.
    #[inline]
    pub(super) fn inside(self) -> u32 {
        small(self.0 >> INSIDE_AT & 1)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked to sixteen bits at most")]
fn small(field: u64) -> u32 {
    field as u32
}

/// How the tokens of a text lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paving {
    /// Only the general road knows.
    Unknown,
    /// On the bytes of the text, which nothing rewrites but a normaliser that finds nothing to do and a
    /// space in front.
    Bytes,
    /// On the characters of the text, of which spaces became other characters.
    Chars(Respelled),
    /// On words between white space, for the most part.
    Words,
}

/// What was made of a text before it became characters' tokens: as many characters as there were, and one
/// in front at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Respelled {
    /// The character in front.
    pub(super) front: Option<char>,
    /// Whether it stands only in front of a stretch that the text begins with.
    pub(super) first: bool,
    /// Whether a stretch that begins with a space, or with the character, gets none.
    pub(super) unless: bool,
    /// The bytes that a space has more than before.
    pub(super) growth: usize,
    /// Whether each stretch is one piece.
    pub(super) whole: bool,
}

/// The tiles of all ids.
#[derive(Debug)]
pub(super) struct Tiles {
    pub(super) paving: Paving,
    by_id: Vec<Tile>,
}

impl Tiles {
    pub(super) fn new(plan: &Plan) -> Self {
        let paving = paving(plan);
        if paving == Paving::Unknown {
            return Self { paving, by_id: Vec::new() };
        }
        let limit = TokenId::try_from(plan.id_limit()).unwrap_or(TokenId::MAX);
        let mut by_id: Vec<Tile> = (0..limit).map(|_| Tile::UNKNOWN).collect();
        let model = &plan.declared.model;
        for (id, token) in model.vocab().iter() {
            let tile = match model {
                Model::Bpe(model) => model.token_bytes(id).map(|bytes| Tile::new(bytes, token)),
                Model::WordPiece(model) => Some(word_tile(model, token)),
                _ => None,
            };
            if let (Some(tile), Some(slot)) = (tile, by_id.get_mut(id as usize)) {
                *slot = tile;
            }
        }
        let mut odd = |id: Option<TokenId>, tile: Tile| {
            if let Some(slot) = id.and_then(|id| by_id.get_mut(id as usize)) {
                *slot = tile;
            }
        };
        match model {
            Model::Bpe(model) if matches!(paving, Paving::Chars(_)) => {
                if model.options().byte_fallback {
                    for (byte, id) in (0..=u8::MAX).zip(model.vocab().byte_tokens()) {
                        let token = id.and_then(|id| model.vocab().token(id)).unwrap_or_default();
                        odd(id, Tile::new(&[byte], token));
                    }
                }
                let unk = model.options().unk_token.as_ref();
                odd(unk.and_then(|token| model.vocab().id(token)), Tile::UNKNOWN);
            }
            Model::WordPiece(model) => odd(Some(model.unk_id()), Tile::UNKNOWN),
            _ => {}
        }
        for (id, token) in plan.added.iter() {
            if let Some(slot) = by_id.get_mut(id as usize) {
                let tile = Tile::new(token.content.as_bytes(), &token.content);
                *slot = Tile(tile.0 | Tile::ADDED);
            }
        }
        Self { paving, by_id }
    }

    /// The tile of an id.
    #[inline]
    pub(super) fn get(&self, id: TokenId) -> Tile {
        self.by_id.get(id as usize).copied().unwrap_or(Tile::UNKNOWN)
    }
}

/// The tile of a word piece: its text without the prefix, and whether it had one.
fn word_tile(model: &WordPiece, token: &str) -> Tile {
    let prefix = model.options().continuing_subword_prefix.as_str();
    match token.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
        Some(rest) => Tile(Tile::new(rest.as_bytes(), rest).0 | 1 << INSIDE_AT),
        None => Tile(Tile::new(token.as_bytes(), token).0 & !(1 << INSIDE_AT)),
    }
}

fn paving(plan: &Plan) -> Paving {
    let declared = &plan.declared;
    match &declared.model {
        _ if !plan.is_fast() => Paving::Unknown,
        Model::Bpe(model) if model.options().alphabet == Alphabet::Bytes => {
            let known = match &declared.normalizer {
                None => true,
                Some(normalizer) => normalizer.often_leaves(),
            };
            let paved = plan.splitter.covers() && known;
            if paved { Paving::Bytes } else { Paving::Unknown }
        }
        Model::Bpe(model) if lengths_are_those_of_strings(model) => {
            respelled(plan).map_or(Paving::Unknown, Paving::Chars)
        }
        Model::WordPiece(model) => {
            let prefix = model.options().continuing_subword_prefix.as_bytes();
            let marked = prefix.len() > 1 && prefix.iter().all(u8::is_ascii_punctuation);
            // A word with punctuation in it is that alone: none can begin as a continuation is
            // written, or hold the unknown token's text. Then ids tell which is which.
            let unk = model.options().unk_token.as_bytes();
            let marked = marked && unk.len() > 1 && unk.iter().any(u8::is_ascii_punctuation);
            let road = matches!(plan.road, super::Road::Bert(_));
            if marked && road { Paving::Words } else { Paving::Unknown }
        }
        _ => Paving::Unknown,
    }
}

/// Whether a token covers as many bytes as its string has, or one where it stands for a byte. Not so where
/// something is put around tokens, or merged out of what is no text.
fn lengths_are_those_of_strings(model: &Bpe) -> bool {
    let options = model.options();
    let affixes = [&options.continuing_subword_prefix, &options.end_of_word_suffix];
    if affixes.into_iter().flatten().any(|affix| !affix.is_empty()) {
        return false;
    }
    // A model without a list of merges finds its merges otherwise.
    if model.merges().is_empty() || (options.byte_fallback && options.ignore_merges) {
        return false;
    }
    let vocab = model.vocab();
    let mut made_up: Vec<TokenId> = options.unk_token.iter().filter_map(|t| vocab.id(t)).collect();
    if options.byte_fallback {
        made_up.extend(vocab.byte_tokens().into_iter().flatten());
    }
    made_up.sort_unstable();
    let mut begins = [false; 256];
    for &id in &made_up {
        let token = vocab.token(id).unwrap_or_default();
        begins[usize::from(token.bytes().next().unwrap_or_default())] = true;
    }
    let is_made_up = |id: &TokenId| made_up.binary_search(id).is_ok();
    let bytes = |id: TokenId| vocab.token(id).unwrap_or_default();
    let longest = made_up.iter().map(|&id| bytes(id).len()).max().unwrap_or(0);
    model.merges().iter().all(|(left, right)| {
        if is_made_up(left) || is_made_up(right) {
            return false;
        }
        let (left, right) = (bytes(*left), bytes(*right));
        let whole = || vocab.id(&[left, right].concat());
        let differs = left.bytes().next().is_some_and(|first| !begins[usize::from(first)]);
        differs || left.len() + right.len() > longest || !whole().is_some_and(|id| is_made_up(&id))
    })
}

/// What the normaliser and the pre-tokenizer make of a text, where they do no more than respell spaces.
fn respelled(plan: &Plan) -> Option<Respelled> {
    let (declared, splitter) = (&plan.declared, &plan.splitter);
    let mut respelled = Respelled { whole: true, ..Respelled::default() };
    if let Some(normalizer) = &declared.normalizer {
        let members: &[Normalizer] = match normalizer {
            Normalizer::Sequence(members) => members,
            one => std::slice::from_ref(one),
        };
        let mut replaced = false;
        for member in members {
            match member {
                Normalizer::Prepend(content) if respelled.front.is_none() => {
                    respelled.front = Some(only_char(content).filter(|&c| c != ' ')?);
                }
                Normalizer::Replace(replace) if !replaced => {
                    let found = matches!(replace.pattern(), Pattern::String(text) if text == " ");
                    let content = only_char(replace.content()).filter(|_| found)?;
                    respelled.growth = content.len_utf8() - 1;
                    replaced = true;
                }
                _ => return None,
            }
        }
    }
    match (&declared.pre_tokenizer, &declared.normalizer) {
        (None, _) => Some(respelled),
        (Some(PreTokenizer::Metaspace { replacement, prepend, split }), None) => {
            let front = (*prepend != PrependScheme::Never).then_some(*replacement);
            let first = *prepend == PrependScheme::First;
            let growth = replacement.len_utf8() - 1;
            Some(Respelled { front, first, unless: true, growth, whole: !split })
        }
        _ if splitter.covers() && !splitter.rewrites() && !splitter.add_prefix_space => {
            Some(Respelled { whole: false, ..respelled })
        }
        _ => None,
    }
}

fn only_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}
