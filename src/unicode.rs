//! Unicode data: the classes of split patterns, and the byte alphabet of byte-level models.
//!
//! Each table states the Unicode version it carries; [`CLASSES_VERSION`] is what split patterns use.

pub(crate) mod byte_level;
mod class_ranges;
pub(crate) mod classes;

/// The Unicode version of the classes that split patterns use (`\p{L}`, `\p{N}`, `\s`).
pub const CLASSES_VERSION: &str = "16.0";
