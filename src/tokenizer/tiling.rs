//! Places of tokens whose ids are known: tiles laid one after the other.
//!
//! The fast road has the ids, [`Tiles`] has what each covers, and so a place is a running sum. Whatever
//! does not come out even (a sum that is not the stretch, a token whose length its id does not tell, a
//! text that the normaliser changes) is no case to guess at: `None` is the answer, and the general road in
//! `aligned.rs` takes the text, which is the twin that tests hold this one against.

use super::Plan;
use super::added::Part;
use super::aligned::Tokens;
use super::chars::CharPositions;
use super::scratch::Scratch;
use super::tiles::{Paving, Respelled, Tile, Tiles};
use crate::budget;
use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::postprocess::Trim;

/// Flags of tokens that a plain stretch has none of.
const STRANGE: u64 = Tile::ODD | Tile::ADDED;

/// A stretch that the model's tokens cover, as it was before it was split.
#[derive(Clone, Copy, Debug)]
struct Ground {
    /// The bytes that its tokens have together.
    bytes: usize,
    /// Whether a character that is not in the text stands in front.
    front: bool,
}

/// Where the characters of the next stretch begin to count.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    chars: u32,
    /// The number of tokens so far.
    position: usize,
}

impl Plan {
    /// The characters of each token of a text, given its ids: what the post-processor's `trim` leaves.
    pub(super) fn tile_chars(
        &self,
        text: &str,
        ids: &[TokenId],
        plain_specials: bool,
        trim: Option<Trim>,
        out: &mut Vec<Span>,
    ) -> Option<()> {
        let tiles = self.tiles();
        if !matches!(tiles.paving, Paving::Bytes | Paving::Chars(_)) {
            return None;
        }
        let before = out.len();
        out.reserve(ids.len());
        let mut cursor = Cursor::default();
        if !text.is_empty() {
            // Mostly there is no added token in a text, and then no search for one is needed: it would
            // show among the ids.
            let whole = Part { start: 0, end: text.len(), id: None };
            let ground = self.ground(tiles, &text[whole.start..], 0)?;
            let (bytes, flags) = lay_chars(tiles, ids, ground.front, trim, &mut cursor, out);
            if flags & STRANGE == 0 && bytes == ground.bytes {
                return self.leaves(text).then_some(());
            }
            out.truncate(before);
            cursor = Cursor::default();
        }
        let mut rest = ids;
        for part in self.stretches(text, plain_specials)? {
            let stretch = text.get(part.start..part.end)?;
            let Some(id) = part.id else {
                let ground = self.ground(tiles, stretch, part.start)?;
                let (own, others) = rest.split_at(Self::count(tiles, rest, ground.bytes)?);
                rest = others;
                lay_chars(tiles, own, ground.front, trim, &mut cursor, out);
                continue;
            };
            rest = self.take_added(id, stretch, rest)?;
            let tile = tiles.get(id);
            let start = cursor.chars;
            cursor.chars += characters(stretch);
            let span = trimmed((start, cursor.chars), tile, cursor.position, trim);
            cursor.position += 1;
            out.push(span);
        }
        rest.is_empty().then_some(())
    }

    /// The places of the tokens of a text, given its ids, with words where they are `wanted`. What is in
    /// `tokens` already stays; without an answer, what comes behind it means nothing.
    pub(super) fn tile_tokens(
        &self,
        text: &str,
        ids: &[TokenId],
        word: Option<u32>,
        (plain_specials, wanted): (bool, bool),
        scratch: &mut Scratch,
        tokens: &mut Tokens,
    ) -> Option<()> {
        let tiles = self.tiles();
        let positions = CharPositions::new(text);
        tokens.ids.extend_from_slice(ids);
        tokens.spans.reserve(ids.len());
        let split = wanted && word.is_none();
        let mut layer = Layer { plan: self, tiles, positions: &positions, piece: 0, split, tokens };
        let flags = ids.iter().fold(0, |flags, &id| flags | tiles.get(id).flags());
        let whole = Part { start: 0, end: text.len(), id: None };
        let parts = match flags & Tile::ADDED {
            _ if text.is_empty() => Vec::new(),
            0 if self.leaves(text) => vec![whole],
            0 => return None,
            _ => self.stretches(text, plain_specials)?,
        };
        let mut rest = ids;
        for part in parts {
            let stretch = text.get(part.start..part.end)?;
            if let Some(id) = part.id {
                rest = self.take_added(id, stretch, rest)?;
                layer.push(Span::new(part.start, part.end));
                layer.piece += 1;
                continue;
            }
            if tiles.paving == Paving::Words {
                rest = layer.words(stretch, part.start, rest, scratch)?;
                continue;
            }
            let ground = self.ground(tiles, stretch, part.start)?;
            let (own, others) = rest.split_at(Self::count(tiles, rest, ground.bytes)?);
            rest = others;
            if tiles.paving == Paving::Bytes {
                layer.bytes(stretch, part.start, own, ground.front, &mut scratch.text)?;
            } else {
                layer.chars(stretch, part.start, own, ground.front);
            }
        }
        if let (true, Some(word)) = (wanted, word) {
            tokens.words.resize(tokens.ids.len(), word);
        }
        rest.is_empty().then_some(())
    }

    /// Whether [`Plan::tile_chars`] may have an answer.
    pub(super) fn tiles_chars(&self) -> bool {
        matches!(self.tiles().paving, Paving::Bytes | Paving::Chars(_))
    }

    fn tiles(&self) -> &Tiles {
        // Not `get_or_init`, as in `decode_table`.
        if let Some(tiles) = self.tiles.get() {
            return tiles;
        }
        let tiles = Tiles::new(self);
        let _kept = self.tiles.set(tiles);
        self.tiles.get_or_init(|| Tiles::new(self))
    }

    /// Whether [`Plan::tile_tokens`] may have an answer, with words or without.
    pub(super) fn tiles_words(&self, words: bool) -> bool {
        match self.tiles().paving {
            Paving::Unknown => false,
            Paving::Chars(Respelled { whole, .. }) => whole || !words,
            Paving::Bytes | Paving::Words => true,
        }
    }

    /// Whether nothing that matters changes the text before it is split.
    fn leaves(&self, text: &str) -> bool {
        match (&self.declared.normalizer, self.tiles().paving) {
            (Some(normalizer), Paving::Bytes) => normalizer.leaves(text).unwrap_or(false),
            _ => true,
        }
    }

    /// The added tokens of a text and the stretches between them; none where they can only be found in
    /// text that was normalised.
    fn stretches(&self, text: &str, plain_specials: bool) -> Option<Vec<Part>> {
        let rewritten = self.declared.normalizer.is_some() && self.tiles().paving != Paving::Bytes;
        if rewritten && !self.added.no_normalized() {
            return None;
        }
        let (mut parts, mut left) = (Vec::new(), true);
        self.added.split_raw(text, plain_specials, |part| {
            if part.id.is_some() {
                parts.push(part);
                return;
            }
            let stretch = &text[part.start..part.end];
            left = left && self.leaves(stretch);
            self.added.split_normalized(stretch, plain_specials, |Part { start, end, id }| {
                parts.push(Part { start: part.start + start, end: part.start + end, id });
            });
        });
        left.then_some(parts)
    }

    /// What the tokens of a stretch between added tokens lie on; it starts at byte `base` of the text.
    fn ground(&self, tiles: &Tiles, stretch: &str, base: usize) -> Option<Ground> {
        match tiles.paving {
            Paving::Bytes => {
                let front = self.splitter.add_prefix_space && !stretch.starts_with(' ');
                Some(Ground { bytes: stretch.len() + usize::from(front), front })
            }
            Paving::Chars(Respelled { front, first, unless, growth, .. }) => {
                let front = front.filter(|&front| {
                    let there = unless && stretch.starts_with([' ', front]);
                    !there && (base == 0 || !first)
                });
                let spaces = memchr::memchr_iter(b' ', stretch.as_bytes());
                let grown = if growth > 0 { growth * spaces.count() } else { 0 };
                let bytes = stretch.len() + grown + front.map_or(0, char::len_utf8);
                Some(Ground { bytes, front: front.is_some() })
            }
            Paving::Words | Paving::Unknown => None,
        }
    }

    /// The number of tokens that have so many bytes together.
    fn count(tiles: &Tiles, ids: &[TokenId], bytes: usize) -> Option<usize> {
        let (mut count, mut sum) = (0, 0);
        while sum < bytes {
            let tile = tiles.get(*ids.get(count)?);
            if tile.flags() & STRANGE != 0 {
                return None;
            }
            sum += tile.bytes();
            count += 1;
        }
        (sum == bytes).then_some(count)
    }

    /// The ids behind that of an added token; none where its text is not that of the stretch.
    fn take_added<'a>(
        &self,
        id: TokenId,
        stretch: &str,
        ids: &'a [TokenId],
    ) -> Option<&'a [TokenId]> {
        let (&first, rest) = ids.split_first()?;
        let known = self.added.token(id).is_some_and(|token| token.content == stretch);
        let tile = self.tiles().get(id);
        (first == id && known && tile.flags() & Tile::ODD == 0).then_some(rest)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "texts are shorter than u32::MAX bytes")]
fn characters(text: &str) -> u32 {
    text.chars().count() as u32
}

/// What is left of a token's characters.
#[inline]
fn trimmed((start, end): (u32, u32), tile: Tile, position: usize, trim: Option<Trim>) -> Span {
    let Some(trim) = trim else { return Span { start, end } };
    let (lead, trail) = (tile.lead() as usize, tile.trail() as usize);
    let (start, end) = trim.apply_counts(lead, trail, position, (start as usize, end as usize));
    Span::new(start, end)
}

/// Appends the characters of each token of a stretch. Returns the bytes that they cover and all their
/// flags; without the sum that was expected the rest means nothing.
fn lay_chars(
    tiles: &Tiles,
    ids: &[TokenId],
    front: bool,
    trim: Option<Trim>,
    cursor: &mut Cursor,
    out: &mut Vec<Span>,
) -> (usize, u64) {
    let base = cursor.chars;
    let (mut bytes, mut flags) = (0, 0);
    // What stands in front is no character of the text: counting begins one before it.
    let mut count = i64::from(base) - i64::from(front);
    let mut taken = 0;
    // The first tokens may hold what is not there, and are trimmed by rules of their own.
    for &id in ids {
        if taken > 0 && count > i64::from(base) {
            break;
        }
        let tile = tiles.get(id);
        let start = (count - i64::from(tile.inside())).max(i64::from(base));
        count += i64::from(tile.starts());
        let end = count.max(start + 1);
        bytes += tile.bytes();
        flags |= tile.flags();
        let [start, end] = [start, end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        out.push(trimmed((start, end), tile, cursor.position + taken, trim));
        taken += 1;
    }
    let mut count = u32::try_from(count).unwrap_or(base);
    let rest = ids.get(taken..).unwrap_or_default();
    let mut next = |&id: &TokenId| {
        let tile = tiles.get(id);
        let start = count.wrapping_sub(tile.inside());
        count = count.wrapping_add(tile.starts());
        bytes += tile.bytes();
        flags |= tile.flags();
        (start, count, tile)
    };
    if trim.is_none() {
        out.extend(rest.iter().map(|id| {
            let (start, end, _) = next(id);
            Span { start, end }
        }));
    } else {
        // As `Trim` does it behind the first character, where no rule but one is left.
        out.extend(rest.iter().map(|id| {
            let (start, end, tile) = next(id);
            let start = start.wrapping_add(tile.lead()).min(end);
            Span { start, end: end.saturating_sub(tile.trail()).max(start) }
        }));
    }
    cursor.chars = count;
    cursor.position += ids.len();
    (bytes, flags)
}

/// Appends places to [`Tokens`], whose ids are there already.
struct Layer<'a> {
    plan: &'a Plan,
    tiles: &'a Tiles,
    positions: &'a CharPositions<'a>,
    /// The number of the next piece.
    piece: u32,
    /// Whether the numbers of pieces are asked for.
    split: bool,
    tokens: &'a mut Tokens,
}

impl Layer<'_> {
    #[inline]
    fn push(&mut self, span: Span) {
        self.tokens.spans.push(span);
        if self.split {
            self.tokens.words.push(self.piece);
        }
    }

    /// The tokens of a stretch of bytes.
    fn bytes(
        &mut self,
        stretch: &str,
        base: usize,
        ids: &[TokenId],
        front: bool,
        prefixed: &mut String,
    ) -> Option<()> {
        let Self { plan, tiles, positions, piece, split, tokens } = self;
        let mut at = 0;
        let back = |at: usize| at.saturating_sub(usize::from(front));
        tokens.spans.extend(ids.iter().map(|&id| {
            let start = at;
            at += tiles.get(id).bytes();
            let span = Span::new(base + back(start), base + back(at).max(back(start) + 1));
            positions.whole(span)
        }));
        if !*split {
            return Some(());
        }
        let text = if front {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(stretch);
            prefixed
        } else {
            stretch
        };
        // No token crosses the end of a piece: the numbers of pieces are those of the tokens until there.
        let (mut at, mut ids) = (0, ids.iter());
        let mut even = true;
        let cut = budget::of_text(text.len(), || {
            plan.splitter.for_each(text, |_, end| {
                while at < end
                    && let Some(&id) = ids.next()
                {
                    at += tiles.get(id).bytes();
                    tokens.words.push(*piece);
                }
                even &= at == end;
                *piece += 1;
            })
        });
        (even && cut.is_ok() && ids.next().is_none()).then_some(())
    }

    /// The tokens of a stretch of characters, which is one piece where pieces are asked for.
    fn chars(&mut self, stretch: &str, base: usize, ids: &[TokenId], front: bool) {
        let Self { tiles, piece, split, tokens, .. } = self;
        let mut walk = Walk { bytes: stretch.as_bytes(), at: 0, chars: 0 };
        let mut count = -i64::from(front);
        tokens.spans.extend(ids.iter().map(|&id| {
            let tile = tiles.get(id);
            let start = (count - i64::from(tile.inside())).max(0);
            count += i64::from(tile.starts());
            let end = count.max(start + 1);
            let start = walk.to(start);
            Span::new(base + start, base + walk.to(end))
        }));
        if *split {
            tokens.words.resize(tokens.words.len() + ids.len(), *piece);
        }
        *piece += 1;
    }

    /// The tokens of a stretch of words, and the ids behind them.
    fn words<'a>(
        &mut self,
        stretch: &str,
        base: usize,
        mut ids: &'a [TokenId],
        scratch: &mut Scratch,
    ) -> Option<&'a [TokenId]> {
        let unk = self.unk();
        let bytes = stretch.as_bytes();
        let mut at = 0;
        loop {
            let hard = next_hard(bytes, at);
            let easy = &bytes[..hard];
            let (tiles, split) = (self.tiles, self.split);
            let Tokens { spans, words, .. } = &mut *self.tokens;
            let (mut piece, mut next) = (self.piece, 0);
            loop {
                // Nothing else that is easy is as low as white space.
                while easy.get(at).is_some_and(|&byte| byte <= b' ') {
                    at += 1;
                }
                if at >= hard {
                    break;
                }
                let &id = ids.get(next)?;
                let tile = tiles.get(id);
                let end = if Some(id) == unk {
                    word_end(bytes, at)
                } else if tile.flags() & STRANGE == 0 {
                    at + tile.bytes()
                } else {
                    return None;
                };
                if end > hard {
                    return None;
                }
                spans.push(Span::new(base + at, base + end));
                piece += 1 - tile.inside();
                if split {
                    words.push(piece.wrapping_sub(1));
                }
                (at, next) = (end, next + 1);
            }
            self.piece = piece;
            ids = ids.get(next..).unwrap_or_default();
            if hard == bytes.len() {
                return Some(ids);
            }
            at = next_border(bytes, hard);
            ids = self.hard_words(&stretch[hard..at], base + hard, ids, scratch)?;
        }
    }

    fn unk(&self) -> Option<TokenId> {
        match &self.plan.declared.model {
            crate::model::Model::WordPiece(model) => Some(model.unk_id()),
            _ => None,
        }
    }

    /// A token that starts a word, or goes on with the one before.
    #[inline]
    fn push_word(&mut self, tile: Tile, span: Span) {
        self.tokens.spans.push(span);
        self.piece += 1 - tile.inside();
        if self.split {
            self.tokens.words.push(self.piece.wrapping_sub(1));
        }
    }

    /// The tokens of a stretch between white space that the normaliser may change.
    fn hard_words<'a>(
        &mut self,
        stretch: &str,
        base: usize,
        ids: &'a [TokenId],
        scratch: &mut Scratch,
    ) -> Option<&'a [TokenId]> {
        let aligned = &mut scratch.aligned;
        let text = match &self.plan.declared.normalizer {
            Some(normalizer) => {
                normalizer.normalize_aligned(stretch, aligned).ok()?;
                aligned.text.as_str()
            }
            None => stretch,
        };
        let (unk, plan) = (self.unk(), self.plan);
        let aligned = plan.declared.normalizer.is_some().then_some(&*aligned);
        let (mut rest, mut even) = (ids, true);
        let mut word = |start: usize, end: usize| -> Option<()> {
            let mut at = start;
            while at < end {
                let (&id, others) = rest.split_first()?;
                rest = others;
                let tile = self.tiles.get(id);
                // One that stands for the whole word, or a piece of it.
                let to = if Some(id) == unk { end } else { at + tile.bytes() };
                let known = Some(id) == unk || tile.flags() & STRANGE == 0;
                if !known || to > end || (tile.inside() == 0) != (at == start) {
                    return None;
                }
                let span = aligned.map_or(Span::new(at, to), |aligned| aligned.source(at..to));
                let span = Span::new(base + span.start as usize, base + span.end as usize);
                self.push_word(tile, self.positions.whole(span));
                at = to;
            }
            Some(())
        };
        let cut: Result<()> =
            plan.splitter.for_each(text, |start, end| even = even && word(start, end).is_some());
        (even && cut.is_ok()).then_some(rest)
    }
}

/// A place in a text, in bytes and in characters.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    chars: i64,
}

impl Walk<'_> {
    /// Goes to a character, which is never far, and says where it starts.
    #[inline]
    fn to(&mut self, chars: i64) -> usize {
        let inside = |at: usize| self.bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        while self.chars < chars && self.at < self.bytes.len() {
            self.at += 1;
            while inside(self.at) {
                self.at += 1;
            }
            self.chars += 1;
        }
        while self.chars > chars && self.at > 0 {
            self.at -= 1;
            while inside(self.at) && self.at > 0 {
                self.at -= 1;
            }
            self.chars -= 1;
        }
        self.at
    }
}

/// White space that separates words whatever the normaliser's options are.
#[inline]
fn is_border(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// What no step of BERT's changes but for its case.
#[inline]
fn is_easy(byte: u8) -> bool {
    byte.wrapping_sub(b' ') < 0x5F || matches!(byte, b'\t' | b'\n' | b'\r')
}

fn next_border(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| is_border(byte)).map_or(bytes.len(), |found| at + found)
}

/// Where the stretch between white space begins, at `from` or behind it, that holds the next byte which is
/// not easy; or the end.
fn next_hard(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from..];
    let blocks = rest.chunks_exact(32);
    // Without a branch on single bytes, so that the compiler uses vectors.
    let easy = |block: &[u8]| block.iter().fold(true, |all, &byte| all & is_easy(byte));
    let start = blocks.take_while(|block| easy(block)).count() * 32;
    let Some(found) = rest[start..].iter().position(|&byte| !is_easy(byte)) else {
        return bytes.len();
    };
    let before = rest[..start + found].iter().rposition(|&byte| is_border(byte));
    from + before.map_or(0, |border| border + 1)
}

/// Where an easy word ends that starts at byte `at`.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let ends = |byte: &u8| is_border(*byte) || byte.is_ascii_punctuation();
    match bytes[at..].iter().position(ends) {
        Some(0) => at + 1,
        Some(length) => at + length,
        None => bytes.len(),
    }
}

#[cfg(test)]
mod tests;
