//! Subword tokenizers: train them, run them, prove them, compare them, and turn ids into vectors.
//!
//! The modules follow the data:
//!
//! ```text
//! encode   text -> normalize -> pretokenize -> model -> postprocess -> Encoding      ids -> embed -> rows
//! decode   ids -> model::vocab -> decode -> bytes / str
//! train    files, iterator -> count -> Counts -> train::{bpe, wordpiece} -> vocab + merges
//! store    tokenizer.json | .tiktoken | vocab.txt <-> formats <-> TokenizerBuilder
//! ```

mod budget;
mod decode;
mod embed;
mod error;
mod files;
mod formats;
mod ids;
mod memory;
mod model;
mod normalize;
mod postprocess;
mod pretokenize;
#[cfg(feature = "python")]
mod python;
mod regex;
mod text_embedder;
mod threads;
mod tokenizer;
mod train;
mod transfer;
mod trie;
mod unicode;

pub use decode::{DecodeStream, Decoder, SentencePieceDecoder, decode_tokens};
#[cfg(feature = "reference")]
pub use embed::reference as embed_reference;
pub use embed::{
    AlbertEmbeddings, AlbertOptions, AlbertParts, AlbertWords, Alternative, AnyId, DenseOptions,
    DenseReport, DistinctIds, FactorizedEmbedding, Factors, HalfFormat, Kind as TableKind,
    LAYER_NORM_EPS, MAX_PARAMETERS, MAX_WIDTH, PoolMode, PoolOptions, PoolRows, Recipe, RowLoss,
    Size, WordTable, copy_by_slot, rank_prior, scatter_rows, sum_by_slot,
};
pub use error::{Error, ErrorKind, Result};
pub use formats::{
    Accepted, VocabTxtOptions, decoder_from_json, decoder_to_json, from_bpe_bytes, from_bpe_files,
    from_json, from_sentencepiece, from_tekken, from_tiktoken, from_vocab_txt, load,
    normalizer_from_json, normalizer_to_json, post_processor_from_json, post_processor_to_json,
    pre_tokenizer_from_json, pre_tokenizer_to_json, read_sentencepiece, read_tiktoken, save,
    sentencepiece_components, to_json, to_tiktoken,
};
pub use ids::{MAX_ID, MAX_TEXT_BYTES, Span, TokenId};
pub use model::{
    Alphabet, Bpe, BpeOptions, CacheStats, Model, Piece, PieceKind, SentencePiece,
    SentencePieceKind, SentencePieceOptions, Unigram, UnigramOptions, Vocab, WordLevel, WordPiece,
    WordPieceOptions,
};
#[cfg(feature = "reference")]
pub use model::{bpe_reference, wordpiece_reference};
pub use normalize::{
    Aligned, BertNormalizer, Normalizer, Precompiled, Replace, SentencePieceNormalizer,
    SentencePieceSpaces,
};
pub use postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
pub use postprocess::{PostProcessor, TemplatePiece, TemplateProcessing, TemplateSpecial};
#[cfg(feature = "reference")]
pub use pretokenize::reference as pretokenize_reference;
pub use pretokenize::{
    ByteAlphabet, Pieces, Place, PreTokenizer, PrependScheme, SplitBehavior, Splitter,
    rank_file_pattern,
};
pub use regex::{Dialect, Pattern, Regex};
pub use text_embedder::{TextEmbedder, TextPooling};
pub use threads::count as thread_count;
pub use tokenizer::{
    AddedToken, BatchIds, BatchRow, BatchTexts, Columns, EncodeOptions, Encoding, Input,
    TokenStream, Tokenizer, TokenizerBuilder, UnknownIds,
};
pub use train::{
    BpeTrainConfig, Checkpoint, Counter, Counts, Dropped, InitialAlphabet, Learned, Manifest,
    Phase, Policies, Policy, Progress, Refused, Score, Stats, Stop, Superwords, TextInput,
    TextSource, Ties, TrainReport, Unit, WordPieceTrainConfig, extend_bpe, learn_bpe,
    learn_wordpiece, train_bpe, train_wordpiece, wide_pre_tokenizer,
};
pub use transfer::{Composed, Role, RoleMatch, Transfer, transfer};
pub use unicode::{
    BERT_CATEGORIES_VERSION, BERT_DECOMPOSITION_VERSION, BERT_LOWER_CASE_VERSION, CLASSES_VERSION,
    GRAPHEME_CLUSTERS_VERSION, LOWER_CASE_VERSION, NORMAL_FORMS_VERSION, NUMBERS_VERSION,
    SCRIPTS_VERSION,
};
