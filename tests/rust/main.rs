//! The integration tests, in one binary: it links once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says where"
)]

// It compares with the slow twins.
#[cfg(feature = "reference")]
mod fuzz_replay;
mod layering;
mod tokenizer;
