//! From counts to a tokenizer: learning, and the components that make its file whole.

use std::time::Instant;

use super::bpe::{Job, learn};
use super::superwords::narrow;
use super::{
    BpeTrainConfig, Counter, Counts, Learned, Manifest, Phase, Progress, Pulse, Stats, Stop, Ties,
    Unit, WordPieceTrainConfig, learn_wordpiece, not_empty, policies,
};
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::{Alphabet, Bpe, BpeOptions, Model, Vocab, WordPiece, WordPieceOptions};
use crate::normalize::Normalizer;
use crate::postprocess::{PostProcessor, TemplateProcessing};
use crate::pretokenize::{PreTokenizer, PrependScheme};
use crate::tokenizer::{AddedToken, Tokenizer, TokenizerBuilder};

/// What training did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// Entries and merges that were there before.
    pub kept: (usize, usize),
    /// Tokens with white space between words, where those were wanted.
    pub superwords: Option<usize>,
    /// What happened while merges were learned.
    pub stats: Stats,
}

impl TrainReport {
    pub(super) fn new(
        counts: &Counts,
        learned: &Learned,
        config: &BpeTrainConfig,
        started: Instant,
    ) -> Result<Self> {
        let merged = &learned.tokens[learned.alphabet_end..];
        let wide = |token: &&String| policies::words(&policies::bytes(token, Unit::Byte)) > 1;
        Ok(Self {
            vocab_size: learned.tokens.len(),
            special_tokens: learned.special_tokens,
            alphabet: learned.alphabet_end - learned.special_tokens,
            merges: learned.merges.len(),
            stop: learned.stop,
            ties: config.ties,
            words: counts.len(),
            occurrences: counts.total()?,
            documents: counts.manifest().documents,
            bytes: counts.manifest().bytes,
            seconds: vec![(Phase::Merge, started.elapsed().as_secs_f64())],
            kept: (0, 0),
            superwords: config.superwords.as_ref().map(|_| merged.iter().filter(wide).count()),
            stats: learned.stats.clone(),
        })
    }

    /// The same where so many entries and merges were there before.
    pub(super) fn extended(mut self, entries: usize, merges: usize, reserved: usize) -> Self {
        self.alphabet = self.alphabet.saturating_sub(entries);
        self.merges = self.merges.saturating_sub(merges);
        self.vocab_size += reserved;
        self.kept = (entries + reserved, merges);
        self
    }
}

/// What cuts nothing, and tells a model that it works on bytes.
const WHOLE_IN_BYTES: PreTokenizer =
    PreTokenizer::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };

/// Trains a BPE tokenizer on counts of words that `normalizer` and `pre_tokenizer` cut: of bytes where the
/// pre-tokenizer spells them, else of characters. Where nothing is cut (`none`), the words are the texts,
/// in bytes. With [`BpeTrainConfig::superwords`], `pre_tokenizer` is that of the wide pieces.
///
/// # Errors
/// Those of [`super::learn_bpe`]; [`Error::Unsupported`] for affixes around bytes, which no model runs;
/// [`Error::Argument`] for a forced token that is no word of its own.
pub fn train_bpe(
    counts: &Counts,
    normalizer: Option<Normalizer>,
    pre_tokenizer: PreTokenizer,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<(Tokenizer, TrainReport)> {
    let pre_tokenizer = if is_nothing(&pre_tokenizer) { WHOLE_IN_BYTES } else { pre_tokenizer };
    let bytes = pre_tokenizer.is_byte_level();
    for (name, affix) in [
        ("continuing_subword_prefix", &config.continuing_subword_prefix),
        ("end_of_word_suffix", &config.end_of_word_suffix),
    ] {
        if bytes && affix.as_ref().is_some_and(|affix| !affix.is_empty()) {
            return Err(Error::unsupported(format!("a BPE model of bytes with {name}"), ""));
        }
    }
    not_empty(counts)?;
    let config = &BpeTrainConfig {
        forced_tokens: forced_words(normalizer.as_ref(), &pre_tokenizer, &config.forced_tokens)?,
        ..config.clone()
    };
    let started = Instant::now();
    let unit = if bytes { Unit::Byte } else { Unit::Char };
    let narrow = match &config.superwords {
        Some(second) => {
            let mut pulse = Pulse::new(progress);
            let mut tick = |steps| pulse.tick(8 * steps, Phase::Merge, 0, config.vocab_size as u64);
            Some(narrow(counts, second, &mut tick)?)
        }
        None => None,
    };
    let words = narrow.as_ref().unwrap_or(counts);
    let wide = narrow.as_ref().map(|_| counts);
    let learned = learn(&Job { words, wide, unit, config, base: None }, progress)?;
    drop(narrow);
    let mut report = TrainReport::new(counts, &learned, config, started)?;
    let building = Instant::now();
    let token = |id: TokenId| learned.tokens[id as usize].as_str();
    let merges: Vec<_> =
        learned.merges.iter().map(|&(left, right)| (token(left), token(right))).collect();
    let affix = |affix: &Option<String>| affix.clone().filter(|affix| !affix.is_empty());
    let options = BpeOptions {
        alphabet: if bytes { Alphabet::Bytes } else { Alphabet::Chars },
        continuing_subword_prefix: affix(&config.continuing_subword_prefix),
        end_of_word_suffix: affix(&config.end_of_word_suffix),
        ..BpeOptions::default()
    };
    let vocab = vocab(&learned)?;
    // What not all bytes have a token for is spelled, as in files.
    let spelled = bytes && !options.takes_bytes(&vocab);
    let options =
        if spelled { BpeOptions { alphabet: Alphabet::Chars, ..options } } else { options };
    let mut builder = TokenizerBuilder::new(Model::Bpe(Bpe::of(vocab, &merges, options)?));
    builder.normalizer = normalizer;
    let add_prefix_space = prefix_space(&pre_tokenizer);
    if bytes {
        // As `tokenizers` writes them for a byte-level model: offsets keep the space of a word.
        let (trim_offsets, use_regex) = (false, true);
        builder.post_processor =
            Some(PostProcessor::ByteLevel { add_prefix_space, trim_offsets, use_regex });
        builder.decoder =
            Some(Decoder::ByteLevel { add_prefix_space, trim_offsets: true, use_regex });
    } else if let Some(suffix) = affix(&config.end_of_word_suffix) {
        builder.decoder = Some(Decoder::Bpe { suffix });
    } else if let Some((replacement, prepend, split)) = metaspace(&pre_tokenizer) {
        builder.decoder = Some(Decoder::Metaspace { replacement, prepend, split });
    }
    builder.pre_tokenizer = Some(pre_tokenizer);
    builder.added_tokens = special_tokens(&learned);
    let tokenizer = Tokenizer::build(builder)?;
    report.seconds.push((Phase::Build, building.elapsed().as_secs_f64()));
    Ok((tokenizer, report))
}

/// The words that forced tokens are.
pub(super) fn forced_words(
    normalizer: Option<&Normalizer>,
    pre_tokenizer: &PreTokenizer,
    tokens: &[String],
) -> Result<Vec<String>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let counter = Counter::new(normalizer.cloned(), pre_tokenizer, Manifest::default(), Some(1))?;
    let mut words = Vec::with_capacity(tokens.len());
    for token in tokens {
        let counts = counter.count_texts([token.as_str()])?;
        let mut found = counts.iter();
        if let (Some((word, 1)), None) = (found.next(), found.next()) {
            words.push(String::from_utf8_lossy(word).into_owned());
        } else {
            let pieces: Vec<_> =
                counts.iter().map(|(word, _)| String::from_utf8_lossy(word)).collect();
            let wanted = format!(
                "one word for the pretokenizer, which makes {pieces:?} of it; what it cuts can \
                     only be an added token"
            );
            return Err(Error::argument("forced_tokens", format!("{token:?}"), wanted));
        }
    }
    Ok(words)
}

fn metaspace(pre_tokenizer: &PreTokenizer) -> Option<(char, PrependScheme, bool)> {
    match pre_tokenizer {
        &PreTokenizer::Metaspace { replacement, prepend, split } => {
            Some((replacement, prepend, split))
        }
        PreTokenizer::Sequence(parts) => parts.iter().find_map(metaspace),
        _ => None,
    }
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
    let report = TrainReport::new(counts, &learned, &config.merging(), started)?;
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
        let gpt2 = PreTokenizer::by_name("gpt2").unwrap();
        let affix = BpeTrainConfig { end_of_word_suffix: Some("</w>".into()), ..config.clone() };
        let error = train_bpe(&counts, None, gpt2.clone(), &affix, &mut go).unwrap_err();
        assert!(error.to_string().contains("not supported yet"), "{error}");
        let forced = BpeTrainConfig { forced_tokens: vec!["a b".into()], ..config.clone() };
        let error = train_bpe(&counts, None, gpt2.clone(), &forced, &mut go).unwrap_err();
        assert!(error.to_string().contains("one word"), "{error}");
        let error = train_bpe(&Counts::default(), None, gpt2, &config, &mut go).unwrap_err();
        assert!(error.to_string().contains("no words"), "{error}");
        let config = WordPieceTrainConfig { special_tokens: vec![], ..Default::default() };
        let error = train_wordpiece(&counts, None, &config, &mut go).unwrap_err();
        assert!(error.to_string().contains("[UNK]"), "{error}");
    }
}
