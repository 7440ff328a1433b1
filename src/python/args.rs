//! Arguments of calls, with errors that name them.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyString};

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
}

const SIDES: [(&str, Direction); 2] = [("right", Direction::Right), ("left", Direction::Left)];

impl Keywords<'_, '_> {
    /// Checks them all, also those that have no effect.
    pub(crate) fn options(&self, tokenizer: &Tokenizer) -> PyResult<EncodeOptions> {
        let plain = [
            self.max_length,
            self.truncation,
            self.truncation_side,
            self.stride,
            self.padding,
            self.padding_side,
            self.pad_to_multiple_of,
            self.pad_id,
        ];
        let mut options = EncodeOptions {
            add_special_tokens: self.add_special_tokens,
            split_special_tokens: self.split_special_tokens,
            ..EncodeOptions::default()
        };
        if plain.iter().any(Option::is_some) {
            let max_length = self.max_length.map(|value| size("max_length", value)).transpose()?;
            options.truncation = self.truncation(max_length)?;
            options.padding = self.padding(max_length, tokenizer)?;
        }
        Ok(options)
    }

    fn truncation(&self, max_length: Option<usize>) -> PyResult<Option<TruncationParams>> {
        let strategies = [
            ("longest_first", TruncationStrategy::LongestFirst),
            ("only_first", TruncationStrategy::OnlyFirst),
            ("only_second", TruncationStrategy::OnlySecond),
        ];
        let strategy =
            self.truncation.map(|value| choice("truncation", value, &strategies)).transpose()?;
        let direction = self
            .truncation_side
            .map(|value| choice("truncation_side", value, &SIDES))
            .transpose()?;
        let stride = self.stride.map_or(Ok(0), |value| size("stride", value))?;
        Ok(max_length.map(|max_length| TruncationParams {
            max_length,
            strategy: strategy.unwrap_or_default(),
            stride,
            direction: direction.unwrap_or_default(),
        }))
    }

    fn padding(
        &self,
        max_length: Option<usize>,
        tokenizer: &Tokenizer,
    ) -> PyResult<Option<PaddingParams>> {
        let kinds = [("longest", false), ("max_length", true)];
        let fixed = self.padding.map(|value| choice("padding", value, &kinds)).transpose()?;
        let direction =
            self.padding_side.map(|value| choice("padding_side", value, &SIDES)).transpose()?;
        let multiple =
            self.pad_to_multiple_of.map(|value| size("pad_to_multiple_of", value)).transpose()?;
        let id = self.pad_id.map(pad_id).transpose()?;
        let (Some(fixed), Some(value)) = (fixed, self.padding) else { return Ok(None) };
        let strategy = match (fixed, max_length) {
            (false, _) => PaddingStrategy::BatchLongest,
            (true, Some(length)) => PaddingStrategy::Fixed(length),
            (true, None) => {
                return Err(argument(
                    value.py(),
                    "padding is \"max_length\", but max_length is not given",
                ));
            }
        };
        let (default_id, default_token) = tokenizer.padding_token();
        let pad_id = id.unwrap_or(default_id);
        let pad_token = match tokenizer.id_to_token(pad_id) {
            Some(token) => token.to_owned(),
            None => default_token,
        };
        Ok(Some(PaddingParams {
            strategy,
            direction: direction.unwrap_or_default(),
            pad_to_multiple_of: multiple,
            pad_id,
            pad_type_id: 0,
            pad_token,
        }))
    }
}

/// The id that fills up rows. It need not be a token's: models differ in what they ignore.
pub(crate) fn pad_id(value: &Bound<'_, PyAny>) -> PyResult<TokenId> {
    let id = size("pad_id", value)?;
    TokenId::try_from(id).ok().filter(|&id| id <= MAX_ID).ok_or_else(|| {
        argument(value.py(), format!("pad_id is {id}, but must be at most {MAX_ID}"))
    })
}
