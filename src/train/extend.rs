//! Going on with a vocabulary that exists: new text, more entries, and every old id in its place.

use rustc_hash::{FxHashMap, FxHashSet};

use super::assemble::{TrainReport, forced_words};
use super::bpe::{Job, learn};
use super::replay::Event;
use super::{BpeTrainConfig, Counts, Learned, Phase, Progress, Unit, not_empty};
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};
use crate::model::{Bpe, Model, Vocab};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::Tokenizer;

/// What is there already. Entries of the model are numbered without gaps, in the order of their ids, so
/// that rules for ties that go by ids mean the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    pub(super) tokens: Vec<String>,
    /// The merges, by rank.
    pub(super) events: Vec<Event>,
    /// Added tokens that the model does not hold. No merge may spell one.
    pub(super) reserved: FxHashSet<String>,
    /// The same, with their ids.
    outside: Vec<(String, TokenId)>,
    /// The id of each token.
    ids: Vec<TokenId>,
    /// No id that is taken is this high.
    pub(super) id_limit: TokenId,
}

impl Base {
    fn new(tokenizer: &Tokenizer, model: &Bpe) -> Result<Self> {
        let mut entries: Vec<(TokenId, &str)> = model.vocab().iter().collect();
        entries.sort_unstable_by_key(|entry| entry.0);
        let mut numbers: FxHashMap<TokenId, TokenId> = FxHashMap::default();
        let (mut tokens, mut ids) = (Vec::new(), Vec::new());
        for (number, &(id, token)) in (0..).zip(&entries) {
            numbers.insert(id, number);
            tokens.push(token.to_owned());
            ids.push(id);
        }
        let number = |id: TokenId| {
            let problem = || Error::format("tokenizer.json", "model.merges", "an unknown token");
            numbers.get(&id).copied().ok_or_else(problem)
        };
        let prefix = model.options().continuing_subword_prefix.as_deref().map_or(0, str::len);
        let mut events = Vec::with_capacity(model.merges().len());
        for &(left, right) in model.merges() {
            let [one, two] = [left, right].map(|id| model.vocab().token(id).unwrap_or_default());
            let whole = format!("{one}{}", two.get(prefix..).unwrap_or_default());
            let new = model.vocab().id(&whole).ok_or_else(|| {
                Error::format("tokenizer.json", "model.merges", format!("no token `{whole}`"))
            })?;
            events.push(Event { left: number(left)?, right: number(right)?, new: number(new)? });
        }
        let outside: Vec<(String, TokenId)> = tokenizer
            .added_tokens()
            .filter(|(_, token)| model.vocab().id(&token.content).is_none())
            .map(|(id, token)| (token.content.clone(), id))
            .collect();
        let reserved = outside.iter().map(|(content, _)| content.clone()).collect();
        let id_limit = TokenId::try_from(tokenizer.id_limit()).unwrap_or(MAX_ID);
        Ok(Self { tokens, events, reserved, outside, ids, id_limit })
    }

    /// What was learned before, and added tokens beside it.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(learned: &Learned, added: [&str; N]) -> Self {
        let ids: FxHashMap<&str, TokenId> =
            learned.tokens.iter().map(String::as_str).zip(0..).collect();
        let event = |&(left, right): &(TokenId, TokenId)| {
            let [one, two] = [left, right].map(|id| learned.tokens[id as usize].as_str());
            Event { left, right, new: ids[format!("{one}{two}").as_str()] }
        };
        let added = added.into_iter().filter(|token| !ids.contains_key(token));
        Self {
            tokens: learned.tokens.clone(),
            events: learned.merges.iter().map(event).collect(),
            reserved: added.map(str::to_owned).collect(),
            outside: Vec::new(),
            ids: (0..).take(learned.tokens.len()).collect(),
            id_limit: TokenId::try_from(learned.tokens.len()).unwrap_or(MAX_ID),
        }
    }

    /// The id of a numbered token.
    fn id(&self, number: usize) -> TokenId {
        let more = number.saturating_sub(self.ids.len());
        let next = || self.id_limit.saturating_add(TokenId::try_from(more).unwrap_or(MAX_ID));
        self.ids.get(number).copied().unwrap_or_else(next)
    }
}

/// Continues the byte-pair encoding of `tokenizer` on counts of words that its own normalizer and
/// pre-tokenizer cut, up to `config.vocab_size` entries, added tokens included. The words are encoded by
/// the old merges first; new ones are learned as if training had never ended. Characters that the
/// vocabulary lacks come first among the new tokens, then what is merged, all above every id that is
/// taken. Old tokens keep their ids, and everything but the model stays as it is; added tokens become
/// entries of the model, which is what keeps their ids in a file.
///
/// Of `config`, special tokens, alphabets and affixes are the tokenizer's own.
///
/// # Errors
/// Those of [`super::learn_bpe`]; [`Error::Unsupported`] for another model than BPE with merges of its own;
/// [`Error::Argument`] when `vocab_size` is less than what is there.
pub fn extend_bpe(
    tokenizer: &Tokenizer,
    counts: &Counts,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<(Tokenizer, TrainReport)> {
    not_empty(counts)?;
    let declared = tokenizer.declaration();
    let Model::Bpe(model) = &declared.model else {
        return Err(Error::unsupported("going on with another model than BPE", "model"));
    };
    let options = model.options().clone();
    if options.dropout.is_some() {
        return Err(Error::unsupported("going on with a model that leaves merges out", "model"));
    }
    let bytes = declared.pre_tokenizer.as_ref().is_some_and(PreTokenizer::is_byte_level);
    if model.vocab().has_repeats() {
        return Err(Error::unsupported(
            "going on with a vocabulary that has a token twice",
            "model",
        ));
    }
    let base = Base::new(tokenizer, model)?;
    let config = BpeTrainConfig {
        special_tokens: Vec::new(),
        initial_alphabet: super::InitialAlphabet::Chars(Vec::new()),
        limit_alphabet: None,
        continuing_subword_prefix: options.continuing_subword_prefix.clone(),
        end_of_word_suffix: options.end_of_word_suffix.clone(),
        superwords: None,
        ..config.clone()
    };
    let nothing = PreTokenizer::Sequence(Vec::new());
    let cut = declared.pre_tokenizer.as_ref().unwrap_or(&nothing);
    let forced = forced_words(declared.normalizer.as_ref(), cut, &config.forced_tokens)?;
    let config = BpeTrainConfig { forced_tokens: forced, ..config };
    let unit = if bytes { Unit::Byte } else { Unit::Char };
    let started = std::time::Instant::now();
    let job = Job { words: counts, wide: None, unit, config: &config, base: Some(&base) };
    let learned = learn(&job, progress)?;
    let mut report = TrainReport::new(counts, &learned, &config, started)?.extended(
        base.tokens.len(),
        base.events.len(),
        base.reserved.len(),
    );
    let building = std::time::Instant::now();
    let model = rebuilt(&base, &learned, options)?;
    let mut builder = declared.clone();
    builder.model = Model::Bpe(model);
    let tokenizer = Tokenizer::build(builder)?;
    report.seconds.push((Phase::Build, building.elapsed().as_secs_f64()));
    Ok((tokenizer, report))
}

fn rebuilt(base: &Base, learned: &Learned, options: crate::model::BpeOptions) -> Result<Bpe> {
    if base.id(learned.tokens.len()) > MAX_ID {
        return Err(Error::training("the vocabulary has too many entries"));
    }
    let entries = learned.tokens.iter().enumerate();
    let entries = entries.map(|(number, token)| (token.clone(), base.id(number)));
    // Files give an added token the id that the model's vocabulary says, else the next one after it,
    // which would be another one now.
    let entries = entries.chain(base.outside.iter().cloned()).collect();
    let token = |id: TokenId| learned.tokens[id as usize].as_str();
    let merges: Vec<_> =
        learned.merges.iter().map(|&(left, right)| (token(left), token(right))).collect();
    Bpe::of(Vocab::new(entries)?, &merges, options)
}
