//! Arguments of calls, with errors that name them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyString};

use super::errors::{argument, wrong_type};
use crate::ids::{MAX_ID, TokenId};
use crate::postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
use crate::tokenizer::{EncodeOptions, Tokenizer};

/// A number of things: an integer from 0.
pub(crate) fn size(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyFloat>() {
        return Err(wrong_type(name, "an integer", value));
    }
    value.extract::<usize>().map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(value.py()) {
            let given = value.str().map_or_else(|_| "?".to_owned(), |text| text.to_string());
            return argument(
                value.py(),
                format!("{name} is {given}, but must be from 0 to {}", usize::MAX),
            );
        }
        wrong_type(name, "an integer", value)
    })
}

/// A number of bytes: an integer from 0, or a text such as `"500MB"`. kB, MB, GB and TB are powers of
/// 1000; KiB, MiB, GiB and TiB those of 1024.
pub(crate) fn bytes(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    const UNITS: [(&str, u64); 10] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("b", 1),
        ("", 1),
    ];
    let Ok(text) = value.cast::<PyString>() else { return size(name, value) };
    let text = text.to_cow()?;
    let lower = text.trim().to_ascii_lowercase();
    let number = |(unit, by): &(&str, u64)| {
        let number = lower.strip_suffix(unit)?.trim_end();
        let number = number.parse::<u64>().ok().filter(|_| !number.starts_with('+'))?;
        usize::try_from(number.checked_mul(*by)?).ok()
    };
    UNITS.iter().find_map(number).ok_or_else(|| {
        let wanted = "a whole number of bytes, such as 500000000, \"500MB\" or \"2GiB\"";
        argument(value.py(), format!("{name} is {text:?}, but must be {wanted}"))
    })
}

/// A file name: text or a path object, not empty.
pub(crate) fn path(name: &str, value: &Bound<'_, PyAny>) -> PyResult<std::path::PathBuf> {
    let path: std::path::PathBuf =
        value.extract().map_err(|_| wrong_type(name, "a path", value))?;
    if path.as_os_str().is_empty() {
        return Err(argument(
            value.py(),
            format!("{name} is empty, but must be the name of a file"),
        ));
    }
    Ok(path)
}

/// One word out of a few.
pub(crate) fn choice<T: Copy>(
    name: &str,
    value: &Bound<'_, PyAny>,
    choices: &[(&str, T)],
) -> PyResult<T> {
    let wanted =
        || choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let Ok(text) = value.cast::<PyString>() else {
        return Err(wrong_type(name, &format!("one of {}", wanted()), value));
    };
    let text = text.to_cow()?;
    choices.iter().find(|(word, _)| *word == text).map(|&(_, choice)| choice).ok_or_else(|| {
        argument(value.py(), format!("{name} is {text:?}, but must be one of {}", wanted()))
    })
}

/// The number of threads a call may use.
pub(crate) fn threads(value: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    let requested = value.map(|value| size("threads", value)).transpose()?;
    Ok(crate::threads::count(requested)?)
}

/// The same; 0 where the machine is to be asked how many it allows, which small work does without.
pub(crate) fn wanted_threads(value: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    let requested = value.map(|value| size("threads", value)).transpose()?;
    Ok(crate::threads::wanted(requested)?)
}

/// The keywords of encoding calls, as they were given.
pub(crate) struct Keywords<'a, 'py> {
    pub(crate) add_special_tokens: bool,
    pub(crate) split_special_tokens: bool,
    pub(crate) max_length: Option<&'a Bound<'py, PyAny>>,
    pub(crate) truncation: Option<&'a Bound<'py, PyAny>>,
    pub(crate) truncation_side: Option<&'a Bound<'py, PyAny>>,
    pub(crate) stride: Option<&'a Bound<'py, PyAny>>,
    pub(crate) padding: Option<&'a Bound<'py, PyAny>>,
    pub(crate) padding_side: Option<&'a Bound<'py, PyAny>>,
    pub(crate) pad_to_multiple_of: Option<&'a Bound<'py, PyAny>>,
    pub(crate) pad_id: Option<&'a Bound<'py, PyAny>>,
    pub(crate) dropout: Option<&'a Bound<'py, PyAny>>,
    pub(crate) seed: Option<&'a Bound<'py, PyAny>>,
}

/// The keywords of `encode` that hardly any call gives. The interface code spends some ten nanoseconds
/// on each keyword that a call might have, given or not, so these come in a dictionary, which is only
/// there when one of them is given.
#[derive(Default)]
pub(crate) struct Rare<'py> {
    pub(crate) threads: Option<Bound<'py, PyAny>>,
    pub(crate) errors: Option<Bound<'py, PyAny>>,
    max_length: Option<Bound<'py, PyAny>>,
    truncation: Option<Bound<'py, PyAny>>,
    truncation_side: Option<Bound<'py, PyAny>>,
    stride: Option<Bound<'py, PyAny>>,
    padding: Option<Bound<'py, PyAny>>,
    padding_side: Option<Bound<'py, PyAny>>,
    pad_to_multiple_of: Option<Bound<'py, PyAny>>,
    pad_id: Option<Bound<'py, PyAny>>,
    dropout: Option<Bound<'py, PyAny>>,
    seed: Option<Bound<'py, PyAny>>,
}

impl<'py> Rare<'py> {
    /// Reads the dictionary. What is not known is the error that Python has for it.
    #[cold]
    pub(crate) fn read(given: &Bound<'py, PyDict>) -> PyResult<Self> {
        let mut rare = Self::default();
        for (name, value) in given {
            let name = name.cast::<PyString>()?.to_cow()?;
            let slot = match &*name {
                "threads" => &mut rare.threads,
                "errors" => &mut rare.errors,
                "max_length" => &mut rare.max_length,
                "truncation" => &mut rare.truncation,
                "truncation_side" => &mut rare.truncation_side,
                "stride" => &mut rare.stride,
                "padding" => &mut rare.padding,
                "padding_side" => &mut rare.padding_side,
                "pad_to_multiple_of" => &mut rare.pad_to_multiple_of,
                "pad_id" => &mut rare.pad_id,
                "dropout" => &mut rare.dropout,
                "seed" => &mut rare.seed,
                other => {
                    let message = "Tokenizer.encode() got an unexpected keyword argument";
                    return Err(PyTypeError::new_err(format!("{message} '{other}'")));
                }
            };
            *slot = Some(value).filter(|value| !value.is_none());
        }
        Ok(rare)
    }

    /// All options of a call.
    pub(crate) fn keywords(&self, special: bool, plain: bool) -> Keywords<'_, 'py> {
        Keywords {
            add_special_tokens: special,
            split_special_tokens: plain,
            max_length: self.max_length.as_ref(),
            truncation: self.truncation.as_ref(),
            truncation_side: self.truncation_side.as_ref(),
            stride: self.stride.as_ref(),
            padding: self.padding.as_ref(),
            padding_side: self.padding_side.as_ref(),
            pad_to_multiple_of: self.pad_to_multiple_of.as_ref(),
            pad_id: self.pad_id.as_ref(),
            dropout: self.dropout.as_ref(),
            seed: self.seed.as_ref(),
        }
    }
}

const SIDES: [(&str, Direction); 2] = [("right", Direction::Right), ("left", Direction::Left)];

/// `false`, where a keyword takes it for "not at all".
fn is_false(value: Option<&Bound<'_, PyAny>>) -> bool {
    value.is_some_and(|value| value.cast::<PyBool>().is_ok_and(|value| !value.is_true()))
}

impl Keywords<'_, '_> {
    /// Checks them all, also those that have no effect. What is not given is what the tokenizer's file
    /// says.
    pub(crate) fn options(&self, tokenizer: &Tokenizer) -> PyResult<EncodeOptions> {
        let max_length = self.max_length.map(|value| size("max_length", value)).transpose()?;
        Ok(EncodeOptions {
            add_special_tokens: self.add_special_tokens,
            split_special_tokens: self.split_special_tokens,
            truncation: self.truncation(max_length, tokenizer)?,
            padding: self.padding(max_length, tokenizer)?,
            dropout: self.dropout()?,
            seed: self.seed.map_or(Ok(0), seed)?,
        })
    }

    fn truncation(
        &self,
        max_length: Option<usize>,
        tokenizer: &Tokenizer,
    ) -> PyResult<Option<TruncationParams>> {
        let strategies = [
            ("longest_first", TruncationStrategy::LongestFirst),
            ("only_first", TruncationStrategy::OnlyFirst),
            ("only_second", TruncationStrategy::OnlySecond),
        ];
        let off = is_false(self.truncation);
        let strategy = self.truncation.filter(|_| !off);
        let strategy =
            strategy.map(|value| choice("truncation", value, &strategies)).transpose()?;
        let direction = self
            .truncation_side
            .map(|value| choice("truncation_side", value, &SIDES))
            .transpose()?;
        let stride = self.stride.map(|value| size("stride", value)).transpose()?;
        let stored = tokenizer.declaration().truncation.as_ref();
        if off || (max_length.is_none() && stored.is_none()) {
            return Ok(None);
        }
        // A stride belongs to the length that it was chosen for.
        let kept = stored.filter(|_| max_length.is_none()).map_or(0, |stored| stored.stride);
        let stored = stored.cloned().unwrap_or_default();
        Ok(Some(TruncationParams {
            max_length: max_length.unwrap_or(stored.max_length),
            strategy: strategy.unwrap_or(stored.strategy),
            stride: stride.unwrap_or(kept),
            direction: direction.unwrap_or(stored.direction),
        }))
    }

    fn padding(
        &self,
        max_length: Option<usize>,
        tokenizer: &Tokenizer,
    ) -> PyResult<Option<PaddingParams>> {
        let kinds = [("longest", false), ("max_length", true)];
        let off = is_false(self.padding);
        let fixed = self.padding.filter(|_| !off);
        let fixed = fixed.map(|value| choice("padding", value, &kinds)).transpose()?;
        let direction =
            self.padding_side.map(|value| choice("padding_side", value, &SIDES)).transpose()?;
        let multiple =
            self.pad_to_multiple_of.map(|value| size("pad_to_multiple_of", value)).transpose()?;
        let id = self.pad_id.map(pad_id).transpose()?;
        let stored = tokenizer.declaration().padding.as_ref();
        if off || (fixed.is_none() && stored.is_none()) {
            return Ok(None);
        }
        let strategy = match (fixed, max_length, stored.map(|stored| stored.strategy)) {
            (None, _, Some(stored)) => stored,
            (None | Some(false), _, _) => PaddingStrategy::BatchLongest,
            (Some(true), Some(length), _) => PaddingStrategy::Fixed(length),
            (Some(true), None, stored) => {
                let truncation = &tokenizer.declaration().truncation;
                let length = match stored {
                    Some(PaddingStrategy::Fixed(length)) => Some(length),
                    _ => truncation.as_ref().map(|stored| stored.max_length),
                };
                PaddingStrategy::Fixed(length.ok_or_else(|| {
                    let message = "padding is \"max_length\", but max_length is not given";
                    raise_argument(self.padding, message)
                })?)
            }
        };
        let (default_id, default_token) = tokenizer.padding_token();
        let pad_id = id.unwrap_or(default_id);
        let pad_token = match tokenizer.id_to_token(pad_id) {
            Some(token) if id.is_some() => token.to_owned(),
            _ => default_token,
        };
        let stored = stored.cloned().unwrap_or_default();
        Ok(Some(PaddingParams {
            strategy,
            direction: direction.unwrap_or(stored.direction),
            pad_to_multiple_of: multiple.or(stored.pad_to_multiple_of),
            pad_id,
            pad_type_id: stored.pad_type_id,
            pad_token,
        }))
    }

    fn dropout(&self) -> PyResult<Option<f32>> {
        let Some(value) = self.dropout else { return Ok(None) };
        let share: f32 =
            value.extract().map_err(|_| wrong_type("dropout", "a number from 0 to 1", value))?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Some(share));
        }
        let message = format!("dropout is {share}, but must be from 0 to 1");
        Err(argument(value.py(), message))
    }
}

fn raise_argument(value: Option<&Bound<'_, PyAny>>, message: &str) -> PyErr {
    Python::attach(|py| argument(value.map_or(py, Bound::py), message))
}

/// What random choices begin with.
fn seed(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(size("seed", value)? as u64)
}

/// The id that fills up rows. It need not be a token's: models differ in what they ignore.
pub(crate) fn pad_id(value: &Bound<'_, PyAny>) -> PyResult<TokenId> {
    let id = size("pad_id", value)?;
    TokenId::try_from(id).ok().filter(|&id| id <= MAX_ID).ok_or_else(|| {
        argument(value.py(), format!("pad_id is {id}, but must be at most {MAX_ID}"))
    })
}
