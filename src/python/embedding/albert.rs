//! `subtok.AlbertEmbeddings`: arrays in, arrays out, the interpreter free meanwhile.

use std::sync::Arc;

use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use super::arrays::{
    self, Numbers, Output, busy, contiguous, floats, integers, number, output, refuse,
    with_integers,
};
use super::{FactorArrays, PyFactorizedEmbedding, factor_arrays, thread_count, transfer};
use crate::embed::{AlbertEmbeddings, AlbertOptions, AlbertParts, AlbertWords, LAYER_NORM_EPS};
use crate::error::Error;
use crate::python::args::{self, size};
use crate::python::errors::argument;

/// ALBERT's embedding stage: immutable, picklable, safe to share.
#[pyclass(frozen, name = "AlbertEmbeddings", module = "subtok")]
pub(crate) struct PyAlbertEmbeddings(Arc<AlbertEmbeddings>);

impl From<AlbertEmbeddings> for PyAlbertEmbeddings {
    fn from(stage: AlbertEmbeddings) -> Self {
        Self(Arc::new(stage))
    }
}

#[pymethods]
impl PyAlbertEmbeddings {
    #[new]
    #[pyo3(
        signature = (word_embeddings, position_embeddings, token_type_embeddings, layer_norm_weight, layer_norm_bias, projection = None, bias = None, *, layer_norm_eps = None, position_padding_id = None),
        text_signature = "(word_embeddings, position_embeddings, token_type_embeddings, layer_norm_weight, layer_norm_bias, projection=None, bias=None, *, layer_norm_eps=1e-12, position_padding_id=None)"
    )]
    fn new(
        word_embeddings: &Bound<'_, PyAny>,
        position_embeddings: &Bound<'_, PyAny>,
        token_type_embeddings: &Bound<'_, PyAny>,
        layer_norm_weight: &Bound<'_, PyAny>,
        layer_norm_bias: &Bound<'_, PyAny>,
        projection: Option<&Bound<'_, PyAny>>,
        bias: Option<&Bound<'_, PyAny>>,
        layer_norm_eps: Option<&Bound<'_, PyAny>>,
        position_padding_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = word_embeddings.py();
        let (words, width) = matrix(word_embeddings, "word_embeddings")?;
        let (positions, wide) = matrix(position_embeddings, "position_embeddings")?;
        same_width(py, "position_embeddings", wide, width)?;
        let (types, wide) = matrix(token_type_embeddings, "token_type_embeddings")?;
        same_width(py, "token_type_embeddings", wide, width)?;
        let gamma = vector(layer_norm_weight, "layer_norm_weight")?;
        let beta = vector(layer_norm_bias, "layer_norm_bias")?;
        let projection = projection.map(|given| matrix(given, "projection")).transpose()?;
        let bias = bias.map(|given| vector(given, "bias")).transpose()?;
        let eps = layer_norm_eps.map_or(Ok(LAYER_NORM_EPS), |eps| number("layer_norm_eps", eps))?;
        let padding = position_padding_id.map(padding_id).transpose()?;
        let words = match (projection, bias) {
            (None, Some(_)) => return Err(argument(py, "there is no bias without a projection")),
            (None, None) => AlbertWords::whole(words, width)?,
            (Some((projection, wide)), bias) => {
                same_width(py, "projection", wide, width)?;
                AlbertWords::projected(words, width, &projection, bias)?
            }
        };
        let parts = AlbertParts {
            words,
            positions,
            types,
            gamma,
            beta,
            layer_norm_eps: eps,
            position_padding_id: padding,
        };
        Ok(py.detach(|| AlbertEmbeddings::new(parts))?.into())
    }

    #[staticmethod]
    #[pyo3(signature = (path, mmap = true, *, layer_norm_eps = None, position_padding_id = None))]
    fn load(
        path: &Bound<'_, PyAny>,
        mmap: bool,
        layer_norm_eps: Option<&Bound<'_, PyAny>>,
        position_padding_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = path.py();
        let path = args::path("path", path)?;
        let options = AlbertOptions {
            mmap,
            layer_norm_eps: layer_norm_eps.map(|eps| number("layer_norm_eps", eps)).transpose()?,
            position_padding_id: position_padding_id.map(padding_id).transpose()?,
        };
        Ok(py.detach(|| AlbertEmbeddings::load(&path, &options))?.into())
    }

    fn save(&self, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = path.py();
        let path = args::path("path", path)?;
        Ok(py.detach(|| self.0.save(&path))?)
    }

    #[pyo3(signature = (ids, token_type_ids = None, position_ids = None, out = None, *, threads = None))]
    fn __call__<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
        token_type_ids: Option<&Bound<'py, PyAny>>,
        position_ids: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = ids.py();
        let stage = &self.0;
        let ids = integers(ids, "ids")?;
        let mut shape = ids.shape().to_vec();
        // Errors name a row where there are several.
        let length = shape.last().copied();
        let row = if shape.len() > 1 { length } else { None };
        let ids = with_integers!(&ids, "ids", values => stage.check_ids(values, row)?);
        let types = match token_type_ids {
            None => None,
            Some(given) => {
                let array = spread(given, "token_type_ids", &shape)?;
                Some(with_integers!(&array, "token_type_ids", values => {
                    stage.check_types(values, row)?
                }))
            }
        };
        let positions = match position_ids {
            None => stage.default_positions(&ids, length.unwrap_or(1))?,
            Some(given) => {
                let array = spread(given, "position_ids", &shape)?;
                with_integers!(&array, "position_ids", values => stage.check_positions(values, row)?)
            }
        };
        shape.push(stage.hidden_dim());
        let threads = thread_count(threads, shape.iter().product())?;
        let full = PyString::new(py, "float32");
        let Output { numbers, returned } = output(py, out, Some(full.as_any()), &shape)?;
        let Numbers::Full(array) = numbers else {
            return Err(refuse(py, "out must be an array of float32".to_owned()));
        };
        let mut guard = arrays::writable(&array)?;
        let values = guard.as_slice_mut().map_err(|_| argument(py, arrays::NOT_CONTIGUOUS))?;
        py.detach(|| stage.embed_into(&ids, types.as_deref(), &positions, values, threads))?;
        Ok(returned)
    }

    fn factors<'py>(&self, py: Python<'py>) -> PyResult<FactorArrays<'py>> {
        factor_arrays(
            py,
            py.detach(|| self.0.factors())?,
            self.0.embedding_dim(),
            self.0.hidden_dim(),
        )
    }

    #[getter]
    fn plain(&self) -> Option<PyFactorizedEmbedding> {
        self.0.plain().map(PyFactorizedEmbedding)
    }

    fn transfer<'py>(
        &self,
        old_tok: &Bound<'py, PyAny>,
        new_tok: &Bound<'py, PyAny>,
    ) -> PyResult<(Self, Bound<'py, PyDict>)> {
        let py = old_tok.py();
        let rows = self.0.vocab_size();
        let (old, new) = transfer::tokenizers(old_tok, new_tok)?;
        let (made, padding) =
            transfer::planned(py, rows, (&old, &new), self.0.position_padding_id())?;
        let moved = py.detach(|| self.0.recomposed(&made.recipe, padding))?;
        Ok((moved.into(), transfer::report(py, &made, (&old, &new), rows)?))
    }

    #[getter]
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    #[getter]
    fn embedding_dim(&self) -> usize {
        self.0.embedding_dim()
    }

    #[getter]
    fn hidden_dim(&self) -> usize {
        self.0.hidden_dim()
    }

    #[getter]
    fn max_position_embeddings(&self) -> usize {
        self.0.positions()
    }

    #[getter]
    fn type_vocab_size(&self) -> usize {
        self.0.types()
    }

    #[getter]
    fn layer_norm_eps(&self) -> f64 {
        self.0.layer_norm_eps()
    }

    #[getter]
    fn position_padding_id(&self) -> Option<u32> {
        self.0.position_padding_id()
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "a property of Python's")]
    fn layout(&self) -> &'static str {
        "albert"
    }

    fn __repr__(&self) -> String {
        let padding = self.0.position_padding_id();
        let padding = padding.map_or_else(String::new, |id| format!(", position_padding_id={id}"));
        format!(
            "AlbertEmbeddings(vocab_size={}, embedding_dim={}, hidden_dim={}, \
             max_position_embeddings={}, type_vocab_size={}, layer_norm_eps={:e}{padding})",
            self.0.vocab_size(),
            self.0.embedding_dim(),
            self.0.hidden_dim(),
            self.0.positions(),
            self.0.types(),
            self.0.layer_norm_eps(),
        )
    }

    #[classmethod]
    fn _from_bytes(_class: &Bound<'_, PyType>, content: &Bound<'_, PyBytes>) -> PyResult<Self> {
        let bytes = content.as_bytes().to_vec();
        Ok(AlbertEmbeddings::from_bytes(bytes, &AlbertOptions::default())?.into())
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let py = slf.py();
        let stage = &slf.get().0;
        let content = py.detach(|| stage.to_bytes())?;
        let restore = slf.get_type().getattr("_from_bytes")?;
        // An error, and no panic, where memory does not suffice for a second copy.
        let content = PyBytes::new_with(py, content.len(), |bytes| {
            bytes.copy_from_slice(&content);
            Ok(())
        })?;
        Ok((restore, (content,)))
    }
}

/// An integer array, repeated along axes where it has one entry (as numpy does) to the shape of ids.
fn spread<'py>(
    given: &Bound<'py, PyAny>,
    name: &'static str,
    shape: &[usize],
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = given.py();
    let array = integers(given, name)?;
    if array.shape() == shape {
        return Ok(array);
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    let wanted = pyo3::types::PyTuple::new(py, shape)?;
    let made = numpy.call_method1(intern!(py, "broadcast_to"), (&array, wanted)).map_err(|_| {
        let text = format!("{name} has shape {:?}, but ids have {shape:?}", array.shape());
        argument(py, text)
    })?;
    Ok(made.cast_into::<PyUntypedArray>()?)
}

fn matrix(given: &Bound<'_, PyAny>, name: &'static str) -> PyResult<(Vec<f32>, usize)> {
    let array = floats(given, name, 2)?;
    array.with_f32(|values, shape| Ok((values.to_vec(), shape[1])))
}

fn vector(given: &Bound<'_, PyAny>, name: &'static str) -> PyResult<Vec<f32>> {
    floats(given, name, 1)?.with_f32(|values, _| Ok(values.to_vec()))
}

fn same_width(py: Python<'_>, name: &str, given: usize, wanted: usize) -> PyResult<()> {
    if given == wanted {
        return Ok(());
    }
    Err(argument(py, format!("{name} has rows of {given}, but word_embeddings has {wanted}")))
}

fn padding_id(given: &Bound<'_, PyAny>) -> PyResult<u32> {
    let id = size("position_padding_id", given)?;
    let wanted = "less than vocab_size and the number of positions";
    Ok(u32::try_from(id).map_err(|_| Error::argument("position_padding_id", id, wanted))?)
}
