//! What the fuzz targets do with their input. `tests/rust/fuzz_replay.rs` runs the same functions on
//! the corpus, so that ordinary tests hold what fuzzing has found. Each says whether the input was
//! taken or refused.

use std::sync::OnceLock;

use subtok::pretokenize_reference::Twins;
use subtok::{
    Bpe, EncodeOptions, Input, Model, PreTokenizer, Tokenizer, TokenizerBuilder, VocabTxtOptions,
    from_json, from_vocab_txt, read_tiktoken, to_json,
};

/// The scanners against the regex engine, and the fast road against the general one.
pub(crate) fn encode_vs_reference(data: &[u8]) -> bool {
    static SPLITTERS: OnceLock<Vec<Twins>> = OnceLock::new();
    static TOKENIZERS: OnceLock<[Tokenizer; 2]> = OnceLock::new();
    let tokenizers = TOKENIZERS.get_or_init(|| {
        [
            &include_bytes!("../tests/data/small_bpe.json")[..],
            &include_bytes!("../tests/data/small_wordpiece.json")[..],
        ]
        .map(|json| Tokenizer::build(from_json(json).unwrap()).unwrap())
    });
    let text = String::from_utf8_lossy(data);
    for twins in SPLITTERS.get_or_init(|| Twins::all().unwrap()) {
        if let Ok((fast, slow)) = twins.pieces(&text) {
            assert_eq!(fast, slow, "{}", twins.pattern);
        }
    }
    for tokenizer in tokenizers {
        use_it(tokenizer, &text);
    }
    true
}

/// A `tokenizer.json`: refused, or built, used, written and read back.
pub(crate) fn load_json(data: &[u8]) -> bool {
    let Ok(tokenizer) = from_json(data).and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    if let Ok(json) = to_json(&tokenizer, false) {
        let again = from_json(json.as_bytes()).and_then(Tokenizer::build).unwrap();
        assert_eq!(to_json(&again, false).unwrap(), json);
        assert_eq!(ids(&again, TEXT), ids(&tokenizer, TEXT));
    }
    true
}

/// A rank file: refused, or built and used.
pub(crate) fn load_tiktoken(data: &[u8]) -> bool {
    let Ok(model) = read_tiktoken(data).and_then(|ranks| Bpe::from_ranks(&ranks, &[])) else {
        return false;
    };
    let declared = TokenizerBuilder {
        pre_tokenizer: Some(PreTokenizer::by_name("cl100k_base").unwrap()),
        ..TokenizerBuilder::new(Model::Bpe(model))
    };
    let Ok(tokenizer) = Tokenizer::build(declared) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

/// A `vocab.txt`: refused, or built and used.
pub(crate) fn load_vocab(data: &[u8]) -> bool {
    let declared = from_vocab_txt(data, &VocabTxtOptions::default());
    let Ok(tokenizer) = declared.and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

const TEXT: &str = "The Grüße, 안녕 世界 don't  \u{301}x1234\r\n [CLS] low lower lowest";

fn ids(tokenizer: &Tokenizer, text: &str) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    let options = EncodeOptions::default();
    tokenizer.encode_ids(Input::Text(text), None, &options, &mut found).ok().map(|()| found)
}

/// Both roads give the same ids, and what they give can be decoded.
fn use_it(tokenizer: &Tokenizer, text: &str) {
    let fast = ids(tokenizer, text);
    let general = tokenizer.encode(Input::Text(text), None, &EncodeOptions::default()).ok();
    assert_eq!(fast, general.map(|encoding| encoding.ids));
    if let Some(ids) = fast {
        let _ = tokenizer.decode(&ids, false, subtok::UnknownIds::Error);
    }
}
