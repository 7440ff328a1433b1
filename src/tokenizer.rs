//! The tokenizer: a declaration, checked and compiled once, then used from any number of threads.
//!
//! [`Tokenizer`] is immutable and cheap to clone. Truncation, padding and the treatment of special
//! tokens are options of a call. Two roads lead through it: the fast one gives ids alone, the general
//! one ids with everything about them; the ids are the same.

mod added;
mod aligned;
mod assemble;
mod batch;
mod bert;
mod block;
mod budget;
mod builder;
mod chars;
mod columns;
mod decoding;
mod encoding;
mod fast;
mod parts;
mod places;
mod scratch;
mod spaced;
mod texts;
mod tiles;
mod tiling;

use std::sync::{Arc, OnceLock};

pub use added::AddedToken;
pub use batch::{BatchIds, BatchRow};
pub use builder::TokenizerBuilder;
pub use columns::Columns;
pub use decoding::{TokenStream, UnknownIds};
pub use encoding::Encoding;
pub use texts::BatchTexts;
#[cfg(feature = "python")]
pub(crate) use texts::{CHUNK_IDS, Check, DecodeRules};

use self::added::AddedVocabulary;
use self::bert::BertRoad;
use self::decoding::DecodeTable;
use self::scratch::{Scratch, ScratchPool};
use self::spaced::SpacedRoad;
use self::tiles::Tiles;
use crate::budget::of_text;
use crate::decode::Chain;
use crate::error::{Error, Result};
use crate::ids::{TokenId, check_text_length};
use crate::model::pieces::{LongCache, PieceCache};
use crate::model::{CacheStats, Model};
use crate::postprocess::fit::{self, Direction, PaddingParams, TruncationParams};
use crate::postprocess::{self, Layout, PostProcessor};
use crate::pretokenize::{ByteAlphabet, Place, PreTokenizer, Splitter};

/// A text to encode.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// As it is.
    Text(&'a str),
    /// Already split into words, each encoded alone; offsets count within the word.
    Words(&'a [&'a str]),
}

impl Input<'_> {
    /// The length in bytes of UTF-8.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Words(words) => words.iter().map(|word| word.len()).sum(),
        }
    }
}

/// How a call encodes.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeOptions {
    /// Put the post-processor's special tokens around the texts.
    pub add_special_tokens: bool,
    /// Take special tokens written in the text for plain text.
    pub split_special_tokens: bool,
    /// How long a row may be.
    pub truncation: Option<TruncationParams>,
    /// How rows are filled up.
    pub padding: Option<PaddingParams>,
    /// The share of merges that BPE leaves out at random (Provilkov et al. 2020); the model's own when
    /// not given.
    pub dropout: Option<f32>,
    /// What random choices begin with. The same text in the same row with the same seed gives the same
    /// tokens.
    pub seed: u64,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            add_special_tokens: true,
            split_special_tokens: false,
            truncation: None,
            padding: None,
            dropout: None,
            seed: 0,
        }
    }
}

/// A compiled tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    declared: TokenizerBuilder,
    splitter: Splitter,
    added: AddedVocabulary,
    /// By whether rows are pairs, and whether special tokens are added; none where the post-processor
    /// cannot go on.
    layouts: [[Option<Layout>; 2]; 2],
    road: Road,
    /// Whether nothing on the way counts what a text costs, so that it needs no budget.
    fixed_cost: bool,
    decoder: Chain,
    decode: OnceLock<DecodeTable>,
    /// By id, the characters of white space at each end of its token, up to 255.
    blanks: OnceLock<Vec<[u8; 2]>>,
    /// What each token covers.
    tiles: OnceLock<Tiles>,
    scratch: ScratchPool,
}

#[derive(Debug)]
enum Road {
    /// Pieces of the text, normalised and split.
    Pieces,
    /// WordPiece with components that never look across white space.
    Bert(BertRoad),
    /// BPE over characters where spaces are written `▁`.
    Spaced(Box<SpacedRoad>),
    /// Any other combination.
    General,
}

impl Tokenizer {
    /// Checks and compiles a declaration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names the component or the combination that is not supported yet,
    /// [`Error::Format`] what contradicts itself.
    pub fn build(declared: TokenizerBuilder) -> Result<Self> {
        let splitter = match &declared.pre_tokenizer {
            Some(pre_tokenizer) => {
                let raw = declared.model.takes_bytes();
                let bytes = if raw { ByteAlphabet::Raw } else { ByteAlphabet::Spelled };
                Splitter::compile(pre_tokenizer, declared.dialect, bytes)?
            }
            None => Splitter::whole(),
        };
        if let Some(normalizer) = &declared.normalizer {
            normalizer.check()?;
        }
        check_combination(&declared, &splitter)?;
        let vocab = declared.model.vocab();
        let added =
            AddedVocabulary::new(&declared.added_tokens, vocab, declared.normalizer.as_ref())?;
        // One that cannot be, which is found out again when it is asked for, leaves the others.
        let layout = |pair, special| layout(declared.post_processor.as_ref(), pair, special).ok();
        let layouts = [false, true].map(|pair| [false, true].map(|special| layout(pair, special)));
        if layouts.iter().flatten().all(Option::is_none) {
            self::layout(declared.post_processor.as_ref(), false, true)?;
        }
        let road = match &declared.model {
            Model::WordPiece(model)
                if bert::keeps_borders(declared.normalizer.as_ref())
                    && (added.no_normalized() || declared.normalizer.is_none())
                    && matches!(declared.pre_tokenizer, Some(PreTokenizer::Bert)) =>
            {
                Road::Bert(BertRoad::new(model, declared.normalizer.as_ref()))
            }
            Model::Bpe(_) | Model::SentencePiece(_)
                if added.no_normalized()
                    && let Some(road) = SpacedRoad::new(&declared) =>
            {
                Road::Spaced(Box::new(road))
            }
            // Which piece comes first in the text is only known with the places of all.
            _ if splitter.asks_place() && declared.normalizer.is_some() => Road::General,
            _ => Road::Pieces,
        };
        let decoder = Chain::compile(declared.decoder.as_ref())?;
        let (decode, blanks, tiles) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let scratch = ScratchPool::default();
        let plain = declared.normalizer.is_none() && splitter.is_one_scanner();
        let fixed_cost = matches!(road, Road::Bert(_)) || (matches!(road, Road::Pieces) && plain);
        let plan = Plan {
            declared,
            splitter,
            added,
            layouts,
            road,
            fixed_cost,
            decoder,
            decode,
            blanks,
            tiles,
            scratch,
        };
        Ok(Self { plan: Arc::new(plan) })
    }

    /// What it was built from.
    pub fn declaration(&self) -> &TokenizerBuilder {
        &self.plan.declared
    }

    /// Encodes one text, or two, with everything about every token.
    ///
    /// # Errors
    /// [`Error::Argument`] when truncation cannot do what it is asked for, or the text is too long;
    /// [`Error::Pattern`] when a split pattern exceeds its bounds.
    pub fn encode(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
    ) -> Result<Encoding> {
        self.encode_in_batch(input, pair, options, 0, 0)
    }

    /// The same for row `row` of a batch whose longest row has `longest` tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_in_batch(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        row: usize,
        longest: usize,
    ) -> Result<Encoding> {
        let mut encoding = self.encode_places(input, pair, options, row, longest)?;
        let tokens = |encoding: &Encoding| self.tokens_of(encoding).map(str::to_owned).collect();
        encoding.tokens = tokens(&encoding);
        for part in &mut encoding.overflowing {
            part.tokens = tokens(part);
        }
        Ok(encoding)
    }

    /// The same without [`Encoding::tokens`], which stay empty; [`Tokenizer::tokens_of`] gives them.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_places(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        row: usize,
        longest: usize,
    ) -> Result<Encoding> {
        self.encode_columns((input, pair), options, (row, longest), None, Columns::ALL)
    }

    /// The strings of an encoding's tokens.
    pub fn tokens_of<'a>(&'a self, encoding: &'a Encoding) -> impl Iterator<Item = &'a str> {
        let mut named = encoding.named.iter().peekable();
        encoding.ids.iter().enumerate().map(move |(index, &id)| {
            let own = || self.plan.token(id).unwrap_or_default();
            named.next_if(|(at, _)| *at == index).map_or_else(own, |(_, token)| token)
        })
    }

    /// The ids of one text, or two: those of [`Tokenizer::encode`], sooner. Appended to `out`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_ids(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        self.check(options)?;
        let start = out.len();
        self.plan.scratch.with(|scratch| {
            self.plan.begin_row(options, 0, scratch);
            self.plan.row_ids(input, pair, options, scratch, out)
        })?;
        if let Some(padding) = &options.padding {
            let length = out.len() - start;
            let missing = fit::padded_length(length, padding)?.saturating_sub(length);
            let at = if padding.direction == Direction::Left { start } else { out.len() };
            out.splice(at..at, std::iter::repeat_n(padding.pad_id, missing));
        }
        Ok(())
    }

    /// Calls `work` with the ids of [`Tokenizer::encode_ids`], which lie in a buffer of the tokenizer's:
    /// a short text costs no memory of its own.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn with_ids<T>(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        work: impl FnOnce(&[TokenId]) -> T,
    ) -> Result<T> {
        if options.padding.is_some() {
            let mut ids = Vec::new();
            self.encode_ids(input, pair, options, &mut ids)?;
            return Ok(work(&ids));
        }
        self.check(options)?;
        self.plan.scratch.with(|scratch| {
            self.plan.begin_row(options, 0, scratch);
            let mut ids = std::mem::take(&mut scratch.row);
            ids.clear();
            let result = self.plan.row_ids(input, pair, options, scratch, &mut ids);
            let result = result.map(|()| work(&ids));
            scratch.row = ids;
            result
        })
    }

    /// Checks what does not depend on the text, so that it fails on the first call and not on the
    /// first long text.
    fn check(&self, options: &EncodeOptions) -> Result<()> {
        if let Some(truncation) = &options.truncation {
            let layout = self.plan.layout(false, options.add_special_tokens)?;
            fit::room(truncation, layout.added_tokens())?;
        }
        if let Some(padding) = &options.padding {
            fit::padded_length(0, padding)?;
        }
        Ok(())
    }

    /// The number of distinct tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        let vocab = self.plan.declared.model.vocab();
        let new = self.plan.added.iter().filter(|(_, token)| vocab.id(&token.content).is_none());
        vocab.len() + new.count()
    }

    /// One more than the largest id: the rows that an embedding table needs.
    pub fn id_limit(&self) -> usize {
        self.plan.id_limit()
    }

    /// The id of a token, added ones first.
    pub fn token_to_id(&self, token: &str) -> Option<TokenId> {
        self.plan.added.id(token).or_else(|| self.plan.declared.model.vocab().id(token))
    }

    /// The token of an id, added ones first.
    pub fn id_to_token(&self, id: TokenId) -> Option<&str> {
        self.plan.token(id)
    }

    /// The added tokens with their ids, ascending.
    pub fn added_tokens(&self) -> impl Iterator<Item = (TokenId, &AddedToken)> {
        self.plan.added.iter()
    }

    /// Whether an id is a special token's.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.plan.token(id).is_some_and(|token| self.plan.added.is_special(token))
    }

    /// The number of special tokens that are put around one text, or two.
    pub fn special_token_count(&self, pair: bool) -> usize {
        self.plan.declared.post_processor.as_ref().map_or(0, |post| post.added_tokens(pair))
    }

    /// What fills up rows where a call does not say: the stored padding token, else the token that
    /// is usually meant for it, else id 0.
    pub fn padding_token(&self) -> (TokenId, String) {
        if let Some(padding) = &self.plan.declared.padding {
            return (padding.pad_id, padding.pad_token.clone());
        }
        let usual = ["[PAD]", "<pad>", "<|pad|>", "<|padding|>"];
        let found =
            usual.iter().find_map(|&token| Some((self.token_to_id(token)?, token.to_owned())));
        found.unwrap_or_else(|| (0, self.id_to_token(0).unwrap_or_default().to_owned()))
    }

    /// A tokenizer with more added tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::build`].
    pub fn with_added_tokens(&self, tokens: impl IntoIterator<Item = AddedToken>) -> Result<Self> {
        let mut declared = self.plan.declared.clone();
        declared.added_tokens.extend(tokens);
        Self::build(declared)
    }

    /// Which road its texts take, and what splits them.
    pub fn road(&self) -> (&'static str, &'static str) {
        let road = match self.plan.road {
            Road::Pieces => "fast: pieces",
            Road::Bert(_) => "fast: stretches between white space",
            Road::Spaced(_) => "fast: stretches of raw text",
            Road::General => "general",
        };
        (road, self.plan.splitter.describe())
    }

    /// The memory of the tables that encoding uses, and of one cache, in bytes.
    pub fn table_bytes(&self) -> (usize, usize) {
        let caches = PieceCache::BYTES + LongCache::BYTES;
        match (&self.plan.declared.model, &self.plan.road) {
            (Model::WordPiece(model), Road::Bert(road)) => {
                (road.table_bytes(model), BertRoad::CACHE_BYTES)
            }
            (model, Road::Spaced(road)) => (model.table_bytes() + road.table_bytes(), caches),
            (model, _) => (model.table_bytes(), caches),
        }
    }

    /// The number of caches that wait for a next call, and what they did.
    pub fn cache_stats(&self) -> (usize, CacheStats) {
        self.plan.scratch.stats()
    }

    /// Forgets what the caches learned, and gives their memory back.
    pub fn cache_clear(&self) {
        self.plan.scratch.clear();
    }
}

/// What a row is made of.
fn layout(post_processor: Option<&PostProcessor>, pair: bool, special: bool) -> Result<Layout> {
    match post_processor {
        Some(post_processor) => post_processor.layout(pair, special),
        None => Ok(Layout::plain(pair)),
    }
}

/// A model that takes bytes needs pieces that are bytes.
fn check_combination(declared: &TokenizerBuilder, splitter: &Splitter) -> Result<()> {
    if declared.model.takes_bytes() && !splitter.gives_bytes() {
        let problem = "a model over bytes needs a pre_tokenizer that ends with `ByteLevel`";
        return Err(Error::format("tokenizer.json", "pre_tokenizer", problem));
    }
    Ok(())
}

impl Plan {
    /// Appends the ids of one text.
    fn text_ids(
        &self,
        text: &str,
        plain_specials: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        check_text_length(text)?;
        if self.fixed_cost {
            return self.parts_ids(text, plain_specials, scratch, out);
        }
        of_text(text.len(), || self.parts_ids(text, plain_specials, scratch, out))
    }

    fn parts_ids(
        &self,
        text: &str,
        plain_specials: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if !self.is_fast() {
            let mut tokens = aligned::Tokens::default();
            self.tokens(text, None, plain_specials, scratch, &mut tokens)?;
            out.extend_from_slice(&tokens.ids);
            return Ok(());
        }
        if self.added.is_empty() {
            return self.stretch_ids(text, 0, plain_specials, scratch, out);
        }
        let mut result = Ok(());
        self.added.split_raw(text, plain_specials, |part| match part.id {
            Some(id) => out.push(id),
            None if result.is_ok() => {
                let stretch = &text[part.start..part.end];
                result = self.stretch_ids(stretch, part.start, plain_specials, scratch, out);
            }
            None => {}
        });
        result
    }

    /// Appends the ids of a stretch between added tokens of the raw text, on the fast road; `base` is
    /// where it starts.
    #[inline]
    fn stretch_ids(
        &self,
        text: &str,
        base: usize,
        plain_specials: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if let Road::Spaced(road) = &self.road
            && SpacedRoad::takes(text, &scratch.model)
        {
            return road.encode(&self.declared.model, text, base, scratch, out);
        }
        // BERT's road normalises what its tables lack.
        let (Some(normalizer), Road::Pieces | Road::Spaced(_)) =
            (&self.declared.normalizer, &self.road)
        else {
            return self.normal_ids(text, base, plain_specials, scratch, out);
        };
        let mut normal = std::mem::take(&mut scratch.normal);
        normal.clear();
        let result = normalizer
            .normalize_into(text, &mut normal)
            .and_then(|()| self.normal_ids(&normal, base, plain_specials, scratch, out));
        scratch.normal = normal;
        result
    }

    /// The same for a stretch that is normalised.
    #[inline]
    fn normal_ids(
        &self,
        text: &str,
        base: usize,
        plain_specials: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if self.added.no_normalized() {
            return self.piece_ids(text, base, scratch, out);
        }
        let mut result = Ok(());
        self.added.split_normalized(text, plain_specials, |part| match part.id {
            Some(id) => out.push(id),
            None if result.is_ok() => {
                let base = base + part.start;
                result = self.piece_ids(&text[part.start..part.end], base, scratch, out);
            }
            None => {}
        });
        result
    }

    #[inline]
    fn piece_ids(
        &self,
        text: &str,
        base: usize,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        match (&self.declared.model, &self.road) {
            (Model::WordPiece(model), Road::Bert(road)) => {
                let normalizer = self.declared.normalizer.as_ref();
                road.encode(model, normalizer, &self.splitter, text, scratch, out)
            }
            (model, _) => {
                let place = Place { start: base, sources: None };
                fast::pieces(model, &self.splitter, text, place, scratch, out)
            }
        }
    }

    fn token(&self, id: TokenId) -> Option<&str> {
        let added = self.added.token(id).map(|token| token.content.as_str());
        added.or_else(|| self.declared.model.vocab().token(id))
    }

    /// The token of an id as decoders get it.
    fn decoded_token(&self, id: TokenId) -> Option<&str> {
        self.added.decoded(id).or_else(|| self.declared.model.vocab().token(id))
    }

    fn id_limit(&self) -> usize {
        let added = self.added.iter().last().map_or(0, |(id, _)| id as usize + 1);
        self.declared.model.vocab().id_limit().max(added)
    }

    /// By id, the white space at each end of its token.
    fn blanks(&self) -> &[[u8; 2]] {
        // Not `get_or_init`, as in `decode_table`.
        if let Some(blanks) = self.blanks.get() {
            return blanks;
        }
        let mut blanks = vec![[0; 2]; self.declared.model.vocab().id_limit()];
        for (id, blanks) in (0..).zip(&mut blanks) {
            let (leading, trailing) = postprocess::blanks_of(self.token(id).unwrap_or_default());
            *blanks = [leading, trailing].map(|count| u8::try_from(count).unwrap_or(u8::MAX));
        }
        let _kept = self.blanks.set(blanks);
        self.blanks.get_or_init(Vec::new)
    }

    fn decode_table(&self) -> &DecodeTable {
        // Not `get_or_init`: a child that is forked while another thread builds the table would wait
        // for that thread for ever. Two threads may build it at the same time; one table is kept.
        if let Some(table) = self.decode.get() {
            return table;
        }
        let table = DecodeTable::new(self);
        let _kept = self.decode.set(table);
        self.decode.get_or_init(|| DecodeTable::new(self))
    }
}
