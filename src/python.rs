//! The extension module `subtok._subtok`: converts, releases the interpreter, maps errors.
//!
//! Algorithms and policy live elsewhere; the classes here are frozen and hold what is shared.

mod args;
mod arrays;
mod arrow;
mod batch;
mod buffer;
mod call;
mod components;
mod counts;
mod decoding;
mod embedding;
mod encoding;
mod errors;
mod info;
mod inputs;
mod merging;
mod padded;
mod sources;
mod stream;
mod text;
mod text_embedder;
mod texts;
mod tokenizer;
mod trainer;
mod training_rows;

use pyo3::prelude::*;

/// The compiled half of the Python package `subtok`.
#[pymodule(gil_used = false)]
mod _subtok {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::batch::PyEncodingBatch;
    #[pymodule_export]
    use super::components::{
        decode_tokens, encode_batch, from_ranks, learn, normalize, pre_tokenize, tokenize_piece,
        with_parts,
    };
    #[pymodule_export]
    use super::counts::PyCounts;
    #[pymodule_export]
    use super::embedding::PyAlbertEmbeddings;
    #[pymodule_export]
    use super::embedding::PyFactorizedEmbedding;
    #[pymodule_export]
    use super::encoding::PyEncoding;
    #[pymodule_export]
    use super::stream::PyDecodeStream;
    #[pymodule_export]
    use super::text_embedder::PyTextEmbedder;
    #[pymodule_export]
    use super::texts::PyTextBatch;
    #[pymodule_export]
    use super::tokenizer::PyTokenizer;
    #[pymodule_export]
    use super::trainer::{count, extend_bpe, train_bpe, train_wordpiece};
    #[pymodule_export]
    use super::training_rows::{copy_rows, distinct_ids, scatter, sum_rows};

    /// Makes what the first call would make: numpy's interface, which is not to be looked up while a
    /// signal is being handled, and the table of characters, which is not to be made while another
    /// thread forks.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.py().import("numpy")?;
        numpy::PyArray1::<u32>::zeros(module.py(), 0, false);
        crate::unicode::classes::ClassTable::get();
        super::call::install(module.py())
    }

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Whether the extension was built without optimisation.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "a constant of a Python module")]
    const _debug_build: bool = cfg!(debug_assertions);
}
