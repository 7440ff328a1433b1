//! From counts to a tokenizer: learning, and the components that make its file whole.

use std::time::Instant;

use super::{
    BpeTrainConfig, Counts, Learned, Phase, Progress, Stop, Ties, Unit, WordPieceTrainConfig,
    learn_bpe, learn_wordpiece,
};
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::{Bpe, BpeOptions, Model, Vocab, WordPiece, WordPieceOptions};
use crate::normalize::Normalizer;
use crate::postprocess::{PostProcessor, TemplateProcessing};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{AddedToken, Tokenizer, TokenizerBuilder};

/// What training did.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainReport {
    /// Entries of the vocabulary: special tokens, alphabet and merges.
    pub vocab_size: usize,
    /// Special tokens among them.
    pub special_tokens: usize,
    /// Single characters or bytes, with their forms.
    pub alphabet: usize,
    /// Merges that were learned.
    pub merges: usize,
    /// Why it ended.
    pub stop: Stop,
    /// Which of equally frequent pairs was merged first.
    pub ties: Ties,
    /// Distinct words.
    pub words: usize,
    /// All occurrences of words.
    pub occurrences: u64,
    /// Documents that were counted.
    pub documents: u64,
    /// Bytes of text that were counted.
    pub bytes: u64,
    /// The phases that ran, with their seconds.
    pub seconds: Vec<(Phase, f64)>,
}

impl TrainReport {
    fn new(counts: &Counts, learned: &Learned, ties: Ties, started: Instant) -> Result<Self> {
        Ok(Self {
            vocab_size: learned.tokens.len(),
            special_tokens: learned.special_tokens,
            alphabet: learned.alphabet_end - learned.special_tokens,
            merges: learned.merges.len(),
            stop: learned.stop,
            ties,
            words: counts.len(),
            occurrences: counts.total()?,
            documents: counts.manifest().documents,
            bytes: counts.manifest().bytes,
            seconds: vec![(Phase::Merge, started.elapsed().as_secs_f64())],
        })
    }
}

/// What cuts nothing, and tells a model that it works on bytes.
const WHOLE_IN_BYTES: PreTokenizer =
    PreTokenizer::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };

/// Trains a byte-level BPE tokenizer on counts of words that `normalizer` and `pre_tokenizer` cut. Where
/// nothing is cut (`none`), the words are the texts, in bytes as well.
///
/// # Errors
/// Those of [`learn_bpe`]; [`Error::Unsupported`] for a pre-tokenizer that works on characters, and for
/// affixes: there is no model yet that runs what would be learned.
pub fn train_bpe(
    counts: &Counts,
    normalizer: Option<Normalizer>,
    pre_tokenizer: PreTokenizer,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<(Tokenizer, TrainReport)> {
    let pre_tokenizer = if is_nothing(&pre_tokenizer) { WHOLE_IN_BYTES } else { pre_tokenizer };
    if !pre_tokenizer.is_byte_level() {
        return Err(Error::unsupported("a BPE model over characters", "pretokenizer"));
    }
    for (name, affix) in [
        ("continuing_subword_prefix", &config.continuing_subword_prefix),
        ("end_of_word_suffix", &config.end_of_word_suffix),
    ] {
        if affix.as_ref().is_some_and(|affix| !affix.is_empty()) {
            return Err(Error::unsupported(format!("a BPE model with {name}"), ""));
        }
    }
    let started = Instant::now();
    let learned = learn_bpe(counts, Unit::Byte, config, progress)?;
    let report = TrainReport::new(counts, &learned, config.ties, started)?;
    let token = |id: TokenId| learned.tokens[id as usize].clone();
    let merges: Vec<_> =
        learned.merges.iter().map(|&(left, right)| (token(left), token(right))).collect();
    let model = Bpe::new(vocab(&learned)?, &merges, BpeOptions::default())?;
    let add_prefix_space = prefix_space(&pre_tokenizer);
    let mut builder = TokenizerBuilder::new(Model::Bpe(model));
    builder.normalizer = normalizer;
    builder.pre_tokenizer = Some(pre_tokenizer);
    // As `tokenizers` writes them for a byte-level model: offsets keep the space of a word.
    let (trim_offsets, use_regex) = (false, true);
    builder.post_processor =
        Some(PostProcessor::ByteLevel { add_prefix_space, trim_offsets, use_regex });
    builder.decoder = Some(Decoder::ByteLevel { add_prefix_space, trim_offsets: true, use_regex });
    builder.added_tokens = special_tokens(&learned);
    Ok((Tokenizer::build(builder)?, report))
}

/// Trains a WordPiece tokenizer on counts of words that `normalizer` and BERT's pre-tokenizer cut. Texts
/// are put between `[CLS]` and `[SEP]` when both are special tokens.
///
/// # Errors
/// Those of [`learn_wordpiece`]; [`Error::Argument`] when `[UNK]` is no special token.
pub fn train_wordpiece(
    counts: &Counts,
    normalizer: Option<Normalizer>,
    config: &WordPieceTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<(Tokenizer, TrainReport)> {
    let options = WordPieceOptions {
        continuing_subword_prefix: config.continuing_subword_prefix.clone(),
        ..WordPieceOptions::default()
    };
    if !config.special_tokens.contains(&options.unk_token) {
        let given = format!("{:?}", config.special_tokens);
        let wanted = "a list with \"[UNK]\", which words outside the vocabulary become";
        return Err(Error::argument("special_tokens", given, wanted));
    }
    let started = Instant::now();
    let learned = learn_wordpiece(counts, config, progress)?;
    let report = TrainReport::new(counts, &learned, Ties::Tokenizers, started)?;
    let prefix = options.continuing_subword_prefix.clone();
    let model = WordPiece::new(vocab(&learned)?, options)?;
    let special = |name: &str| {
        let id = model.vocab().id(name)?;
        config.special_tokens.iter().any(|token| token == name).then(|| (name.to_owned(), id))
    };
    let template = special("[CLS]").zip(special("[SEP]"));
    let mut builder = TokenizerBuilder::new(Model::WordPiece(model));
    builder.normalizer = normalizer;
    builder.pre_tokenizer = Some(PreTokenizer::Bert);
    builder.post_processor =
        template.map(|(cls, sep)| PostProcessor::Template(TemplateProcessing::bert(cls, sep)));
    builder.decoder = Some(Decoder::WordPiece { prefix, cleanup: true });
    builder.added_tokens = special_tokens(&learned);
    Ok((Tokenizer::build(builder)?, report))
}

fn vocab(learned: &Learned) -> Result<Vocab> {
    Vocab::new(learned.tokens.iter().cloned().zip(0..).collect())
}

fn special_tokens(learned: &Learned) -> Vec<AddedToken> {
    let tokens = &learned.tokens[..learned.special_tokens];
    tokens.iter().map(|token| AddedToken::new(token, true)).collect()
}

fn is_nothing(pre_tokenizer: &PreTokenizer) -> bool {
    matches!(pre_tokenizer, PreTokenizer::Sequence(parts) if parts.iter().all(is_nothing))
}

fn prefix_space(pre_tokenizer: &PreTokenizer) -> bool {
    match pre_tokenizer {
        PreTokenizer::ByteLevel { add_prefix_space, .. } => *add_prefix_space,
        PreTokenizer::Sequence(parts) => parts.iter().any(prefix_space),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::normalize::BertNormalizer;
    use crate::tokenizer::{EncodeOptions, Input};
    use crate::train::{Counter, Manifest};

    const TEXTS: [&str; 3] = ["low lower lowest\n", "newer wider new low", "한국어 low, lower!"];

    fn go(_: Phase, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn count(normalizer: Option<Normalizer>, pre_tokenizer: &PreTokenizer) -> Counts {
        let manifest = Manifest::default();
        let counter = Counter::new(normalizer, pre_tokenizer, manifest, Some(2)).unwrap();
        counter.count_texts(TEXTS).unwrap()
    }

    #[test]
    fn a_trained_bpe_tokenizer_encodes_and_decodes() {
        for name in ["gpt2", "cl100k_base", "none"] {
            let pre_tokenizer = PreTokenizer::by_name(name).unwrap();
            let counts = count(None, &pre_tokenizer);
            let special_tokens = vec!["<|end|>".to_owned()];
            let config =
                BpeTrainConfig { vocab_size: 262, special_tokens, ..BpeTrainConfig::default() };
            let (tok, report) = train_bpe(&counts, None, pre_tokenizer, &config, &mut go).unwrap();
            assert_eq!((tok.vocab_size(), report.merges, report.stop), (262, 5, Stop::VocabSize));
            let mut ids = Vec::new();
            for text in TEXTS.iter().map(|text| format!("{text}<|end|>")) {
                ids.clear();
                tok.encode_ids(Input::Text(&text), None, &EncodeOptions::default(), &mut ids)
                    .unwrap();
                assert_eq!(ids.last(), Some(&0));
                assert_eq!(tok.decode_bytes(&ids).unwrap(), text.as_bytes());
            }
        }
    }

    #[test]
    fn a_trained_wordpiece_tokenizer_puts_its_frame_around_texts() {
        let normalizer = Normalizer::Bert(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents: None,
            lowercase: true,
        });
        let counts = count(Some(normalizer.clone()), &PreTokenizer::Bert);
        let config = WordPieceTrainConfig { vocab_size: 50, ..WordPieceTrainConfig::default() };
        let (tok, report) = train_wordpiece(&counts, Some(normalizer), &config, &mut go).unwrap();
        assert_eq!(report.documents, 3);
        let mut ids = Vec::new();
        tok.encode_ids(Input::Text("LOW"), None, &EncodeOptions::default(), &mut ids).unwrap();
        let tokens: Vec<_> = ids.iter().filter_map(|&id| tok.id_to_token(id)).collect();
        assert_eq!(tokens, ["[CLS]", "low", "[SEP]"]);
    }

    #[test]
    fn what_cannot_be_trained_is_told() {
        let counts = count(None, &PreTokenizer::Bert);
        let config = BpeTrainConfig::default();
        let error = train_bpe(&counts, None, PreTokenizer::Bert, &config, &mut go).unwrap_err();
        assert!(error.to_string().contains("not supported yet"), "{error}");
        let gpt2 = PreTokenizer::by_name("gpt2").unwrap();
        let error = train_bpe(&Counts::default(), None, gpt2, &config, &mut go).unwrap_err();
        assert!(error.to_string().contains("no words"), "{error}");
        let config = WordPieceTrainConfig { special_tokens: vec![], ..Default::default() };
        let error = train_wordpiece(&counts, None, &config, &mut go).unwrap_err();
        assert!(error.to_string().contains("[UNK]"), "{error}");
    }
}
