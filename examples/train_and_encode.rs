//! Count words, train a tokenizer on the counts, encode and decode.
//!
//! `cargo run --example train_and_encode [FILE]`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

use subtok::{
    BpeTrainConfig, Counter, EncodeOptions, Input, Manifest, PreTokenizer, UnknownIds, train_bpe,
};

fn main() -> Result<(), Box<dyn Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/text/zh_luxun_zhufu.txt");
    let path = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| default.to_owned()));
    let mut silent = |_, _, _| ControlFlow::Continue(());

    let pre_tokenizer = PreTokenizer::by_name("gpt2")?;
    let counter = Counter::new(None, &pre_tokenizer, Manifest::default(), None)?;
    let counts = counter.count_files(std::slice::from_ref(&path), &mut silent)?;
    let config = BpeTrainConfig { vocab_size: 1000, ..BpeTrainConfig::default() };
    let (tokenizer, report) = train_bpe(&counts, None, pre_tokenizer, &config, &mut silent)?;
    println!("{} distinct words: {report:?}", counts.len());

    let text = std::fs::read_to_string(&path)?;
    let mut ids = Vec::new();
    tokenizer.encode_ids(Input::Text(&text), None, &EncodeOptions::default(), &mut ids)?;
    println!("{} bytes are {} ids: {:?} ...", text.len(), ids.len(), &ids[..ids.len().min(8)]);
    assert_eq!(tokenizer.decode(&ids, false, UnknownIds::Error)?, text);
    println!("and they decode to the same text");
    Ok(())
}
