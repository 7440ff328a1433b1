//! Replays the corpora of the fuzz targets. An input that once broke something stays there; what must
//! be refused is called `bad_...`.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|x| x.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        println!("{target}/{name}");
        let data = fs::read(&path).unwrap();
        // A seed that is refused without need would test nothing.
        assert_eq!(run(&data), !name.starts_with("bad_"), "{target}/{name}");
        // What is cut off is read as boldly as what is whole.
        run(&data[..data.len() / 2]);
    }
}

#[test]
fn encode_vs_reference() {
    replay("encode_vs_reference", targets::encode_vs_reference);
}

#[test]
fn load_json() {
    replay("load_json", targets::load_json);
}

#[test]
fn load_tiktoken() {
    replay("load_tiktoken", targets::load_tiktoken);
}

#[test]
fn load_vocab() {
    replay("load_vocab", targets::load_vocab);
}

#[test]
fn encode_pipelines() {
    replay("encode_pipelines", targets::encode_pipelines);
}

#[test]
fn load_bpe() {
    replay("load_bpe", targets::load_bpe);
}

#[test]
fn regex() {
    replay("regex", targets::regex);
}

#[test]
fn normalizer() {
    replay("normalizer", targets::normalizer);
}

#[test]
fn pre_tokenizer() {
    replay("pre_tokenizer", targets::pre_tokenizer);
}

#[test]
fn post_processor() {
    replay("post_processor", targets::post_processor);
}

#[test]
fn decoder() {
    replay("decoder", targets::decoder);
}

#[test]
fn load_sentencepiece() {
    replay("load_sentencepiece", targets::load_sentencepiece);
}

#[test]
fn load_tekken() {
    replay("load_tekken", targets::load_tekken);
}
