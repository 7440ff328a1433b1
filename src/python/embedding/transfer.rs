//! `transfer`: tokenizers in, a recipe for the new table and a report out.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::ids::TokenId;
use crate::python::errors::{check_signals, wrong_type};
use crate::python::tokenizer::PyTokenizer;
use crate::tokenizer::Tokenizer;
use crate::transfer::{Transfer, transfer};

/// Examples of each kind in a report.
const EXAMPLES: usize = 10;

/// Both tokenizers.
pub(super) fn tokenizers(
    old: &Bound<'_, PyAny>,
    new: &Bound<'_, PyAny>,
) -> PyResult<(Tokenizer, Tokenizer)> {
    let of = |name: &str, given: &Bound<'_, PyAny>| match given.cast::<PyTokenizer>() {
        Ok(tokenizer) => Ok(tokenizer.get().inner.clone()),
        Err(_) => Err(wrong_type(name, "a Tokenizer", given)),
    };
    Ok((of("old_tok", old)?, of("new_tok", new)?))
}

/// What the new table is made of, and the new id for `padding`.
pub(super) fn planned(
    py: Python<'_>,
    rows: usize,
    (old, new): (&Tokenizer, &Tokenizer),
    padding: Option<TokenId>,
) -> PyResult<(Transfer, Option<TokenId>)> {
    Ok(py.detach(|| {
        let made = transfer(rows, old, new, &mut check_signals)?;
        Ok::<_, crate::error::Error>((
            made,
            padding.and_then(|id| Transfer::successor(old, new, id)),
        ))
    })?)
}

pub(super) fn report<'py>(
    py: Python<'py>,
    made: &Transfer,
    (old, new): (&Tokenizer, &Tokenizer),
    old_rows: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    let new_name = |id: TokenId| new.id_to_token(id).map(str::to_owned);
    let old_name = |id: TokenId| old.id_to_token(id).map(str::to_owned);
    fields.set_item("rows", made.recipe.len())?;
    fields.set_item("old_rows", old_rows)?;
    fields.set_item("matched", made.matched)?;
    let roles = PyList::empty(py);
    for found in &made.by_role {
        let entry = PyDict::new(py);
        entry.set_item("id", found.new)?;
        entry.set_item("token", new_name(found.new))?;
        entry.set_item("role", found.role.name())?;
        entry.set_item("from", old_name(found.old))?;
        roles.append(entry)?;
    }
    fields.set_item("by_role", roles)?;
    fields.set_item("composed", made.composed.len())?;
    fields.set_item("drawn", made.drawn.len())?;
    fields.set_item("holes", made.holes)?;
    fields.set_item("unused_old_rows", made.unused)?;
    // Spread over the vocabulary: the first ones of a kind are all alike.
    let step = |count: usize| count.div_ceil(EXAMPLES).max(1);
    let composed = PyList::empty(py);
    for example in made.composed.iter().step_by(step(made.composed.len())) {
        let entry = PyDict::new(py);
        entry.set_item("id", example.new)?;
        entry.set_item("token", new_name(example.new))?;
        let pieces: Vec<_> =
            example.pieces.iter().map(|(id, bytes)| (old_name(*id), *bytes)).collect();
        entry.set_item("pieces", pieces)?;
        composed.append(entry)?;
    }
    fields.set_item("composed_examples", composed)?;
    let drawn = made.drawn.iter().step_by(step(made.drawn.len()));
    fields.set_item("drawn_examples", drawn.map(|id| new_name(*id)).collect::<Vec<_>>())?;
    let text = "a normal distribution with the mean and the deviation of every column of the old table, \
                seeded by the id";
    fields.set_item("drawn_from", text)?;
    Ok(fields)
}
