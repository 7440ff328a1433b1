//! The character map of a sentencepiece model.

use std::sync::Arc;

use crate::error::Result;

/// A compiled character map: a trie of texts and what each becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precompiled {
    charsmap: Arc<[u8]>,
}

impl Precompiled {
    /// A map as models carry it.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when it contradicts itself.
    pub fn new(charsmap: &[u8]) -> Result<Self> {
        Ok(Self { charsmap: charsmap.into() })
    }

    /// The map as it was given.
    pub fn charsmap(&self) -> &[u8] {
        &self.charsmap
    }
}
