//! Files: tokenizers read from them, and written to them.
//!
//! | file | read by | written |
//! |---|---|---|
//! | `tokenizer.json`, version 1.0 and older | [`from_json`] | [`to_json`], [`save`] |
//! | `vocab.txt` | [`from_vocab_txt`] | |
//! | `vocab.json` and `merges.txt` | [`from_bpe_files`] | |
//! | rank files (`.tiktoken`) | [`read_tiktoken`] | [`to_tiktoken`] |
//! | sentencepiece's `.model` | [`from_sentencepiece`] | as a `tokenizer.json`: [`sentencepiece_components`] |
//! | mistral's `tekken.json` | [`from_tekken`] | |
//!
//! [`load`] tells the kind of a file by its content. Every byte of a file is taken as hostile: what
//! is wrong is an error with the place, whatever is not supported yet is refused by name, and nothing
//! is allocated on the word of a file.

// Layers: `json_read` turns text into vectors and small trees, `json` gives them meaning, `document`
// is what comes out, and this module builds models from it. Errors of the models come back without
// a place in a file, and get it here.

mod bpe_files;
mod component;
mod convert;
mod detect;
mod document;
mod json;
mod json_ahead;
mod json_read;
mod json_write;
mod node;
mod portable;
mod ranks;
mod sentencepiece;
mod tekken;
mod tiktoken;
mod vocab_txt;

use std::borrow::Cow;
use std::io;
use std::path::Path;

use document::{Document, ModelDocument};

use bpe_files::{read_merges_txt, read_vocab_json};
pub use component::{
    decoder_from_json, decoder_to_json, normalizer_from_json, normalizer_to_json,
    post_processor_from_json, post_processor_to_json, pre_tokenizer_from_json,
    pre_tokenizer_to_json,
};
pub use convert::to_tiktoken;
use detect::{FileKind, detect};
#[cfg(any(test, feature = "python"))]
pub(crate) use portable::{canonical, from_canonical};
#[cfg(feature = "python")]
pub(crate) use ranks::from_ranks;
pub use ranks::from_tiktoken;
pub use sentencepiece::{
    Accepted, from_sentencepiece, read_sentencepiece, sentencepiece_components,
};
pub use tekken::from_tekken;
pub use tiktoken::read_tiktoken;
pub use vocab_txt::{VocabTxtOptions, from_vocab_txt};

use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::files;
use crate::ids::TokenId;
use crate::model::{
    Alphabet, Bpe, BpeOptions, Model, Unigram, Vocab, WordLevel, WordPiece, WordPieceOptions,
};
use crate::postprocess::fit::{self, PaddingParams, TruncationParams};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{Tokenizer, TokenizerBuilder};
use crate::unicode::byte_level;

/// The declaration in a `tokenizer.json`.
///
/// # Errors
/// [`Error::Format`] with the line and column of a syntax error, or the path of what does not belong
/// there, such as `model.merges[17]`; [`Error::Unsupported`] with the name and path of what is not
/// supported yet.
pub fn from_json(bytes: &[u8]) -> Result<TokenizerBuilder> {
    if sentencepiece::is_ours(bytes) {
        return sentencepiece::from_json(bytes);
    }
    let Document {
        truncation,
        padding,
        added_tokens,
        normalizer,
        pre_tokenizer,
        post_processor,
        decoder,
        model,
    } = json::read_document(bytes)?;
    let added = post_processor.as_ref().map_or(0, |processor| processor.added_tokens(false));
    check_lengths(truncation.as_ref(), padding.as_ref(), added)?;
    let model = build_model(model, pre_tokenizer.as_ref())?;
    Ok(TokenizerBuilder {
        truncation,
        padding,
        added_tokens: added_tokens.into_iter().map(|(_, token)| token).collect(),
        normalizer,
        pre_tokenizer,
        post_processor,
        decoder,
        ..TokenizerBuilder::new(model)
    })
}

/// Checks what a file says about lengths as a call would: nobody should learn at the first long text
/// that a file cannot be obeyed. `added` special tokens stand around one text.
fn check_lengths(
    truncation: Option<&TruncationParams>,
    padding: Option<&PaddingParams>,
    added: usize,
) -> Result<()> {
    let at = |place: &'static str| {
        move |error: Error| Error::format(json::FORMAT, place, error.to_string())
    };
    if let Some(truncation) = truncation {
        fit::room(truncation, added).map_err(at("truncation"))?;
    }
    if let Some(padding) = padding {
        fit::padded_length(1, padding).map_err(at("padding"))?;
    }
    Ok(())
}

fn build_model(model: ModelDocument<'_>, pre_tokenizer: Option<&PreTokenizer>) -> Result<Model> {
    let vocab = |entries: Vec<(Cow<'_, str>, TokenId)>| {
        Vocab::of(entries).map_err(|error| placed(error, json::FORMAT, "model.vocab"))
    };
    let at = |place| move |error| placed(error, json::FORMAT, place);
    match model {
        ModelDocument::Bpe { vocab: entries, merges, mut options } => {
            let vocab = vocab(entries)?;
            options.alphabet = alphabet(&vocab, pre_tokenizer, &options);
            Bpe::of(vocab, &merges, options).map(Model::Bpe).map_err(at(""))
        }
        ModelDocument::WordPiece {
            vocab: entries,
            unk_token,
            continuing_subword_prefix,
            max_input_chars_per_word,
        } => {
            let options =
                WordPieceOptions { unk_token, continuing_subword_prefix, max_input_chars_per_word };
            let wordpiece = WordPiece::new(vocab(entries)?, options);
            wordpiece.map(Model::WordPiece).map_err(at("model"))
        }
        ModelDocument::WordLevel { vocab: entries, unk_token } => {
            WordLevel::new(vocab(entries)?, unk_token).map(Model::WordLevel).map_err(at("model"))
        }
        ModelDocument::Unigram { entries, options } => {
            let entries =
                entries.into_iter().map(|(token, score)| (token.into_owned(), score)).collect();
            Unigram::new(entries, options).map(Model::Unigram).map_err(at("model"))
        }
    }
}

/// What a BPE model merges. Bytes where every byte reaches it as a token: then a piece never holds a
/// character without one, and merging bytes is merging characters of the byte alphabet.
fn alphabet(vocab: &Vocab, pre_tokenizer: Option<&PreTokenizer>, options: &BpeOptions) -> Alphabet {
    fn ends_in_bytes(pre_tokenizer: &PreTokenizer) -> bool {
        match pre_tokenizer {
            PreTokenizer::ByteLevel { .. } => true,
            PreTokenizer::Sequence(parts) => {
                // An empty sequence at the end changes nothing.
                let empty = |part: &&PreTokenizer| !matches!(part, PreTokenizer::Sequence(parts) if parts.is_empty());
                parts.iter().rfind(empty).is_some_and(ends_in_bytes)
            }
            _ => false,
        }
    }
    let affixes = [&options.continuing_subword_prefix, &options.end_of_word_suffix];
    let affixed = affixes.iter().any(|affix| affix.as_ref().is_some_and(|affix| !affix.is_empty()));
    let every_byte = (0..=255).all(|byte: u8| vocab.id(&byte_level::spell(&[byte])).is_some());
    if !affixed && every_byte && pre_tokenizer.is_some_and(ends_in_bytes) {
        Alphabet::Bytes
    } else {
        Alphabet::Chars
    }
}

/// An error of a model, as one of the file that it came from: `prefix` leads to the model's place.
fn placed(error: Error, format: &'static str, prefix: &str) -> Error {
    let join = |place: String| match (prefix.is_empty(), place.is_empty()) {
        (true, _) => place,
        (false, true) => prefix.to_owned(),
        (false, false) => format!("{prefix}, {place}"),
    };
    match error {
        Error::Format { place, problem, .. } => Error::format(format, join(place), problem),
        Error::Unsupported { what, place, .. } => Error::unsupported(what, join(place)),
        other => other,
    }
}

/// The declaration of a BPE in two files, `vocab.json` and `merges.txt`. What the model merges follows
/// from the pre-tokenizer, whatever the options say, and so does the decoder: the files know neither.
///
/// # Errors
/// [`Error::Format`] names the file and the token or line that is wrong.
pub fn from_bpe_files(
    vocab: &Path,
    merges: &Path,
    pre_tokenizer: PreTokenizer,
    options: BpeOptions,
) -> Result<TokenizerBuilder> {
    let (entries, lines) = (files::read(vocab)?, files::read(merges)?);
    from_bpe_bytes(&entries, &lines, pre_tokenizer, options).map_err(|error| match error {
        Error::Format { format: bpe_files::VOCAB_FORMAT, .. } => error.in_file(vocab),
        error => error.in_file(merges),
    })
}

/// The same from what the two files hold.
///
/// # Errors
/// [`Error::Format`] names the kind of file and the token or line that is wrong.
pub fn from_bpe_bytes(
    vocab: &[u8],
    merges: &[u8],
    pre_tokenizer: PreTokenizer,
    mut options: BpeOptions,
) -> Result<TokenizerBuilder> {
    let entries = Vocab::of(read_vocab_json(vocab)?)
        .map_err(|error| placed(error, bpe_files::VOCAB_FORMAT, ""))?;
    options.alphabet = alphabet(&entries, Some(&pre_tokenizer), &options);
    let decoder = decoder_of(&pre_tokenizer, &options);
    let bpe = Bpe::of(entries, &read_merges_txt(merges)?, options)
        .map_err(|error| bpe_files::at_line(error, merges))?;
    Ok(TokenizerBuilder {
        pre_tokenizer: Some(pre_tokenizer),
        decoder,
        ..TokenizerBuilder::new(Model::Bpe(bpe))
    })
}

/// What turns tokens back into the text that such a pre-tokenizer cut.
fn decoder_of(pre_tokenizer: &PreTokenizer, options: &BpeOptions) -> Option<Decoder> {
    let suffix = options.end_of_word_suffix.as_ref().filter(|suffix| !suffix.is_empty());
    match pre_tokenizer {
        _ if pre_tokenizer.is_byte_level() => Some(Decoder::ByteLevel {
            add_prefix_space: false,
            trim_offsets: true,
            use_regex: true,
        }),
        PreTokenizer::Metaspace { replacement, prepend, split } => {
            Some(Decoder::Metaspace { replacement: *replacement, prepend: *prepend, split: *split })
        }
        _ => suffix.map(|suffix| Decoder::Bpe { suffix: suffix.clone() }),
    }
}

/// The declaration in a file whose kind is told by its content: a `tokenizer.json`, a `vocab.txt`
/// (as [`VocabTxtOptions::default`] reads it), a `.model`, a `tekken.json`, or a `vocab.json` with its `merges.txt` or
/// `vocab.bpe` beside it (split as GPT-2 does).
///
/// # Errors
/// [`Error::Io`] when a file cannot be read; [`Error::Format`] and [`Error::Unsupported`] with the file
/// and the place. A rank file does not say how text is split: [`Error::Argument`] asks for it.
pub fn load(path: &Path) -> Result<TokenizerBuilder> {
    let bytes = files::read(path)?;
    let declaration = match detect(&bytes).map_err(|error| error.in_file(path))? {
        FileKind::TokenizerJson => from_json(&bytes),
        FileKind::VocabTxt => from_vocab_txt(&bytes, &VocabTxtOptions::default()),
        FileKind::SentencePiece => read_sentencepiece(&bytes),
        FileKind::Tekken => from_tekken(&bytes),
        FileKind::VocabJson => return load_bpe_files(path),
        FileKind::Tiktoken => {
            let wanted = "the name of a split pattern or a regular expression, for a rank file";
            return Err(Error::argument("pattern", "not given", wanted));
        }
    };
    declaration.map_err(|error| error.in_file(path))
}

fn load_bpe_files(vocab: &Path) -> Result<TokenizerBuilder> {
    let merges = ["merges.txt", "vocab.bpe"].map(|name| vocab.with_file_name(name));
    let Some(merges) = merges.iter().find(|path| path.exists()) else {
        let problem = "the file holds tokens and ids only, and no merges.txt is beside it";
        return Err(Error::format(bpe_files::VOCAB_FORMAT, "", problem).in_file(vocab));
    };
    let pre_tokenizer = PreTokenizer::by_name("gpt2")?;
    from_bpe_files(vocab, merges, pre_tokenizer, BpeOptions::default())
}

/// A tokenizer as the text of a `tokenizer.json`, byte for byte as tokenizers 0.23.3 writes it; with
/// `pretty`, on many lines. The same tokenizer gives the same text.
///
/// # Errors
/// [`Error::Unsupported`] when the declaration has a split pattern that only rank files read as it
/// is meant.
pub fn to_json(tokenizer: &Tokenizer, pretty: bool) -> Result<String> {
    if let Some(text) = sentencepiece::to_json(tokenizer, pretty) {
        return text;
    }
    let pre_tokenizer = portable::pre_tokenizer(tokenizer.declaration())?;
    written(|out| json_write::write(tokenizer, pre_tokenizer.as_ref(), pretty, out))
}

/// What is written, as a text.
fn written(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<String> {
    let mut out = Vec::new();
    // Writing to memory does not fail, and what is written is UTF-8; were it not so, nobody would get
    // an empty text for a tokenizer.
    write(&mut out)
        .and_then(|()| String::from_utf8(out).map_err(io::Error::other))
        .map_err(|error| Error::io("write", Path::new(json::FORMAT), error))
}

/// Writes a tokenizer to a `tokenizer.json`, whole or not at all; see [`to_json`].
///
/// # Errors
/// As [`to_json`], and [`Error::Io`] when the file cannot be written; what stood there stays then.
pub fn save(tokenizer: &Tokenizer, pretty: bool, path: &Path) -> Result<()> {
    if let Some(text) = sentencepiece::to_json(tokenizer, pretty) {
        let text = text?;
        return files::write_atomically(path, |out| out.write_all(text.as_bytes()));
    }
    let pre_tokenizer = portable::pre_tokenizer(tokenizer.declaration())?;
    files::write_atomically(path, |out| {
        json_write::write(tokenizer, pre_tokenizer.as_ref(), pretty, out)
    })
}

#[cfg(test)]
mod tests;
