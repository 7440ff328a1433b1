//! The integration tests, in one binary: it links once.

// It compares with the slow twins.
#[cfg(feature = "reference")]
mod fuzz_replay;
mod layering;
mod tokenizer;
