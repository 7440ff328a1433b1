//! Models of sentencepiece, cut as its library 0.2.3 cuts: the pieces with their kinds and scores,
//! and four ways to choose among them.
//!
//! Beside the BPE and Unigram of `tokenizer.json` files, because the library's own arithmetic decides:
//! scores are 32-bit numbers that are added up from the beginning of the text, a merge of two
//! neighbours depends on the score of what they become and on nothing else, and symbols of the user's
//! are never taken apart.

mod bpe;
mod unigram;
mod words;

use std::fmt::Write;

pub(crate) use self::bpe::BpeScratch;
pub(crate) use self::unigram::UnigramScratch;
use super::bpe::cuts::Cuts;
use super::pieces::PieceTable;
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::trie::{MAX_NODES, Trie};

/// The name of the format in errors.
const FORMAT: &str = "sentencepiece model";
/// What stands for a space.
pub(crate) const SPACE: &str = "\u{2581}";
/// Of symbols that are prefixes of each other, sentencepiece sees so many, the shortest first.
const MAX_SYMBOLS: usize = 64;
/// The longest piece, in bytes.
const MAX_PIECE: usize = 7999;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// It is found in text.
    Normal,
    /// It stands for text that has no piece.
    Unknown,
    /// It is never found in text.
    Control,
    /// It is always found in text, and never taken apart.
    UserDefined,
    /// It is merged and then taken apart again (BPE), or never found (Unigram).
    Unused,
    /// It stands for a byte.
    Byte,
}

impl PieceKind {
    fn is_reserved(self) -> bool {
        matches!(self, Self::Control | Self::Unknown | Self::Byte)
    }
}

/// A piece of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Its log probability, or the negated number of its merge.
    pub score: f32,
    /// What it is.
    pub kind: PieceKind,
}

/// How a model chooses among its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentencePieceKind {
    /// The most likely pieces.
    Unigram,
    /// Merges, the best score first.
    Bpe,
    /// Whole words.
    Word,
    /// Single characters.
    Char,
}

impl SentencePieceKind {
    /// The name, as sentencepiece writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unigram => "UNIGRAM",
            Self::Bpe => "BPE",
            Self::Word => "WORD",
            Self::Char => "CHAR",
        }
    }
}

/// How a model treats text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentencePieceOptions {
    /// How it chooses.
    pub kind: SentencePieceKind,
    /// Text without a piece becomes pieces of its bytes.
    pub byte_fallback: bool,
    /// Words end with white space instead of beginning with it.
    pub space_is_suffix: bool,
}

/// A model of sentencepiece.
#[derive(Clone, Debug)]
pub struct SentencePiece {
    vocab: Vocab,
    scores: Vec<f32>,
    kinds: Vec<PieceKind>,
    options: SentencePieceOptions,
    unk_id: TokenId,
    /// The pieces of the bytes, with byte fallback.
    bytes: Vec<TokenId>,
    /// All pieces that text may become part of.
    trie: Trie,
    /// The symbols of the user's.
    symbols: Trie,
    /// The score of a character without a piece.
    unknown_score: f32,
    /// Whether a piece is taken apart again, which makes a result depend on the whole text.
    has_unused: bool,
    /// Where a text may be cut: a merge makes a piece, so never between characters that no piece holds
    /// side by side. Only for merges, where every character has tokens of its own, so that nothing
    /// unknown is joined, and where no piece is taken apart again.
    cuts: Option<Cuts>,
    /// Empty: texts are whole pieces here, and none is known before it comes.
    table: PieceTable,
}

/// Buffers of a call.
#[derive(Debug, Default)]
pub(crate) struct SentencePieceScratch {
    bpe: BpeScratch,
    unigram: UnigramScratch,
}

impl SentencePieceScratch {
    /// Gives back what one long text made large.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.bpe.shrink(bytes);
        self.unigram.shrink(bytes);
    }
}

impl SentencePiece {
    /// A model of `pieces`, whose ids are their positions.
    ///
    /// # Errors
    /// [`Error::Format`] names the piece that is empty, too long, there twice, or has no number as
    /// its score; or says what is missing: the unknown piece, the pieces of the bytes.
    pub fn new(pieces: Vec<Piece>, options: SentencePieceOptions) -> Result<Self> {
        check(&pieces, options)?;
        let (mut scores, mut kinds) = (Vec::new(), Vec::new());
        let mut entries = Vec::with_capacity(pieces.len());
        for (id, piece) in (0..).zip(pieces) {
            scores.push(piece.score);
            // With pieces of bytes, that of NUL stands for it.
            let hidden = piece.text == "\0" && options.byte_fallback;
            kinds.push(if hidden { PieceKind::Unused } else { piece.kind });
            entries.push((piece.text, id));
        }
        let vocab = Vocab::new(entries).map_err(|error| match error {
            Error::Format { place, problem, .. } => Error::format(FORMAT, place, problem),
            other => other,
        })?;
        let unk_id = (0..).zip(&kinds).find(|(_, kind)| **kind == PieceKind::Unknown);
        let unk_id = unk_id.map(|(id, _)| id).unwrap_or_default();
        let kind_of = |id: TokenId| kinds.get(id as usize).copied().unwrap_or(PieceKind::Control);
        // Unigram looks for other pieces elsewhere; BPE and the rest find all by their text.
        let unigram = options.kind == SentencePieceKind::Unigram;
        let found = vocab.iter().filter(|&(id, text)| {
            (!unigram || !kind_of(id).is_reserved()) && (text != "\0" || !options.byte_fallback)
        });
        let too_large = || {
            let what = format!("a sentencepiece trie of more than {MAX_NODES} nodes");
            Error::unsupported(what, "pieces")
        };
        let trie = Trie::new(found).ok_or_else(too_large)?;
        if unigram && trie.is_empty() {
            return Err(Error::format(FORMAT, "pieces", "no piece that text may become"));
        }
        let of_user = vocab.iter().filter(|&(id, _)| kind_of(id) == PieceKind::UserDefined);
        let symbols = Trie::new(of_user).ok_or_else(too_large)?;
        let bytes = if options.byte_fallback { byte_ids(&vocab) } else { Vec::new() };
        let unknown_score = unigram::unknown_score(&scores, &kinds);
        let has_unused = kinds.contains(&PieceKind::Unused);
        let may_cut =
            options.kind == SentencePieceKind::Bpe && options.byte_fallback && !has_unused;
        let texts: Vec<&str> = vocab.iter().map(|(_, text)| text).collect();
        let cuts = may_cut.then(|| Cuts::of_texts(texts.into_iter()));
        Ok(Self {
            vocab,
            scores,
            kinds,
            options,
            unk_id,
            bytes,
            trie,
            symbols,
            unknown_score,
            has_unused,
            cuts,
            table: PieceTable::build(0, std::iter::empty()),
        })
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The score of each id.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// What each id is.
    pub fn kinds(&self) -> &[PieceKind] {
        &self.kinds
    }

    /// How the model treats text.
    pub fn options(&self) -> SentencePieceOptions {
        self.options
    }

    /// The id of what has no piece.
    pub fn unk_id(&self) -> TokenId {
        self.unk_id
    }

    pub(crate) fn table(&self) -> &PieceTable {
        &self.table
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        self.trie.bytes() + self.symbols.bytes() + self.cuts.as_ref().map_or(0, Cuts::memory)
    }

    /// Calls `stretch` with ranges of bytes that may be encoded alone.
    pub(crate) fn cuts(&self, text: &str, mut stretch: impl FnMut(usize, usize)) {
        match &self.cuts {
            Some(cuts) => cuts.ranges(text, stretch),
            None => stretch(0, text.len()),
        }
    }

    /// Whether texts may be cut wherever no piece joins.
    pub(crate) fn may_cut(&self) -> bool {
        self.cuts.is_some()
    }

    fn kind(&self, id: TokenId) -> PieceKind {
        self.kinds.get(id as usize).copied().unwrap_or(PieceKind::Unknown)
    }

    /// Whether text never becomes this piece by its own letters.
    fn is_reserved(&self, id: TokenId) -> bool {
        self.kind(id).is_reserved()
    }

    fn score(&self, id: TokenId) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or_default()
    }

    /// Calls `emit` with the id and the bytes of every token of a normalised text.
    pub(crate) fn encode(
        &self,
        text: &str,
        scratch: &mut SentencePieceScratch,
        emit: impl FnMut(TokenId, usize, usize),
    ) {
        let mut out = Emitter { model: self, text, unknown: None, emit };
        match self.options.kind {
            SentencePieceKind::Unigram => {
                self.encode_unigram(text, &mut scratch.unigram, |id, start, end| {
                    out.piece(id, start, end);
                });
            }
            SentencePieceKind::Bpe => {
                self.encode_bpe(text, &mut scratch.bpe, |id, start, end| {
                    out.piece(id, start, end);
                });
            }
            SentencePieceKind::Word => {
                words::for_each(text, |start, end| {
                    out.piece(self.id_of(text, start, end), start, end);
                });
            }
            SentencePieceKind::Char => {
                let mut start = 0;
                while start < text.len() {
                    let (length, _) = self.symbol(text, start);
                    out.piece(self.id_of(text, start, start + length), start, start + length);
                    start += length;
                }
            }
        }
        out.flush();
    }

    /// The id of a piece by its text, the unknown one's when there is none.
    fn id_of(&self, text: &str, start: usize, end: usize) -> TokenId {
        let bytes = text.as_bytes().get(start..end).unwrap_or_default();
        self.visible(self.trie.get(bytes).unwrap_or(self.unk_id))
    }

    /// The piece, if text may become it; the unknown one for controls, bytes and what is unused.
    #[inline]
    fn visible(&self, id: TokenId) -> TokenId {
        match self.kind(id) {
            PieceKind::Normal | PieceKind::UserDefined => id,
            _ => self.unk_id,
        }
    }

    /// The length of what stands at `start`, a symbol of the user's or a character, and whether it
    /// is the former.
    #[inline]
    fn symbol(&self, text: &str, start: usize) -> (usize, bool) {
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        match self.symbols.longest_of(rest, MAX_SYMBOLS) {
            Some(length) => (length, true),
            None => (char_len(rest), false),
        }
    }
}

/// The length of the character that UTF-8 text begins with; never zero.
#[inline]
fn char_len(text: &[u8]) -> usize {
    match text.first() {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        Some(0xC0..) => 2,
        _ => 1,
    }
}

/// Turns the pieces of a text into tokens: what is unknown becomes bytes, or one token for a run.
struct Emitter<'a, E> {
    model: &'a SentencePiece,
    text: &'a str,
    /// The run of unknown text that has not been given out.
    unknown: Option<(usize, usize)>,
    emit: E,
}

impl<E: FnMut(TokenId, usize, usize)> Emitter<'_, E> {
    #[inline]
    fn piece(&mut self, id: TokenId, start: usize, end: usize) {
        if id == self.model.unk_id {
            self.unknown(start, end);
        } else {
            self.flush();
            (self.emit)(id, start, end);
        }
    }

    #[cold]
    fn unknown(&mut self, start: usize, end: usize) {
        if self.model.options.byte_fallback {
            for byte in self.text.as_bytes().get(start..end).unwrap_or_default() {
                let id = self.model.bytes.get(usize::from(*byte));
                (self.emit)(id.copied().unwrap_or(self.model.unk_id), start, end);
            }
        } else {
            let run = self.unknown.get_or_insert((start, end));
            run.1 = end;
        }
    }

    #[inline]
    fn flush(&mut self) {
        if let Some((start, end)) = self.unknown.take() {
            (self.emit)(self.model.unk_id, start, end);
        }
    }
}

/// The piece of a byte, such as `<0x0A>`.
pub(crate) fn byte_piece(byte: u8) -> String {
    let mut text = String::with_capacity(6);
    // Writing to a string does not fail.
    let _written = write!(text, "<0x{byte:02X}>");
    text
}

/// The byte that a piece stands for.
pub(crate) fn piece_byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let upper = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    (digits.len() == 2 && digits.as_bytes().iter().all(upper))
        .then(|| u8::from_str_radix(digits, 16).ok())?
}

fn byte_ids(vocab: &Vocab) -> Vec<TokenId> {
    (0..=255).map(|byte| vocab.id(&byte_piece(byte)).unwrap_or_default()).collect()
}

fn check(pieces: &[Piece], options: SentencePieceOptions) -> Result<()> {
    let mut unknown = None;
    let mut found = [false; 256];
    for (id, Piece { text, score, kind }) in pieces.iter().enumerate() {
        let fail = |field: &str, problem: String| {
            Err(Error::format(FORMAT, format!("pieces[{id}]{field}"), problem))
        };
        if text.is_empty() {
            return fail(".piece", "the piece is empty".to_owned());
        }
        if text.len() > MAX_PIECE {
            let problem = format!("{} bytes, and {MAX_PIECE} is the limit", text.len());
            return fail(".piece", problem);
        }
        // A piece of this character alone is never found where there are pieces of bytes.
        if text.contains('\0') && !(text == "\0" && options.byte_fallback) {
            return fail(".piece", "the piece holds NUL".to_owned());
        }
        if !score.is_finite() {
            return fail(".score", format!("{score} is no number"));
        }
        match kind {
            PieceKind::Unknown => {
                if let Some(first) = unknown.replace(id) {
                    let problem = format!("a second unknown piece, after pieces[{first}]");
                    return fail(".type", problem);
                }
            }
            PieceKind::Byte if !options.byte_fallback => {
                return fail(".type", format!("{text:?} is a byte, but there is no byte_fallback"));
            }
            PieceKind::Byte => match piece_byte(text) {
                Some(byte) => found[usize::from(byte)] = true,
                None => return fail(".piece", format!("{text:?} is no byte, such as `<0x0A>`")),
            },
            _ => {}
        }
    }
    if unknown.is_none() {
        return Err(Error::format(FORMAT, "pieces", "there is no unknown piece"));
    }
    if let (true, Some(byte)) = (options.byte_fallback, found.iter().position(|found| !found)) {
        let problem = format!("byte_fallback without a piece of the byte 0x{byte:02X}");
        return Err(Error::format(FORMAT, "pieces", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
