//! What Python hands over as ids, tables, masks and outputs, made into plain slices or refused.

use numpy::{
    Element, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyMemoryError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use super::recycle;
use crate::embed::{AnyId, FactorizedEmbedding, HalfFormat};
use crate::error::Error;
use crate::ids::TokenId;
use crate::python::args::choice;
use crate::python::errors::{argument, raise, wrong_type};

pub(super) const NOT_CONTIGUOUS: &str = "out must be contiguous in C order";

/// An argument of the wrong type, in words of its own.
fn refuse(py: Python<'_>, message: String) -> PyErr {
    raise(py, "ArgumentTypeError", message)
}

/// A real number.
pub(super) fn number(name: &str, given: &Bound<'_, PyAny>) -> PyResult<f64> {
    given.extract().map_err(|_: PyErr| wrong_type(name, "a number", given))
}

fn numpy<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import(intern!(py, "numpy"))?.getattr(name)
}

/// `numpy.asarray`; whatever it cannot make an array of is a wrong type.
fn as_array<'py>(given: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let py = given.py();
    let made = numpy(py, "asarray")?.call1((given,)).map_err(|error| {
        if error.is_instance_of::<PyMemoryError>(py) {
            return error;
        }
        refuse(py, format!("{name} cannot be made an array: {}", error.value(py)))
    })?;
    Ok(made.cast_into::<PyUntypedArray>()?)
}

/// The same numbers in C order, aligned, and of type `dtype` if one is named.
pub(super) fn contiguous<'py>(
    array: &Bound<'py, PyUntypedArray>,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    if dtype.is_none() && array.is_c_contiguous() && array.is_aligned() {
        return Ok(array.clone());
    }
    let made = numpy(array.py(), "require")?.call1((array, dtype, ("C", "A")))?;
    Ok(made.cast_into::<PyUntypedArray>()?)
}

/// Calls a generic function with the numbers of an integer array of native byte order, in C order.
macro_rules! with_integers {
    ($array:expr, $name:literal, $values:ident => $result:expr) => {{
        let array: &Bound<'_, PyUntypedArray> = $array;
        let dtype = array.dtype();
        let array = contiguous(array, None)?;
        macro_rules! typed {
            ($type:ty) => {{
                let typed = array.cast::<PyArrayDyn<$type>>()?;
                let guard = typed.try_readonly().map_err(|error| busy(array.py(), $name, error))?;
                let $values = guard.as_slice().map_err(|error| busy(array.py(), $name, error))?;
                $result
            }};
        }
        match (dtype.kind(), dtype.itemsize()) {
            (b'i', 1) => typed!(i8),
            (b'i', 2) => typed!(i16),
            (b'i', 4) => typed!(i32),
            (b'i', 8) => typed!(i64),
            (b'u', 1) => typed!(u8),
            (b'u', 2) => typed!(u16),
            (b'u', 4) => typed!(u32),
            (b'u', 8) => typed!(u64),
            _ => return Err(refuse(array.py(), format!("{} must be integers", $name))),
        }
    }};
}

fn busy(py: Python<'_>, name: &str, error: impl std::fmt::Display) -> PyErr {
    argument(py, format!("{name} cannot be read: {error}"))
}

/// Refuses what is no integer array of native byte order. An empty list, which numpy takes for
/// numbers with a point, is one.
fn integers<'py>(given: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = as_array(given, name)?;
    let dtype = array.dtype();
    if dtype.kind() == b'f' && array.is_empty() && !given.is_instance_of::<PyUntypedArray>() {
        return contiguous(&array, Some("int64"));
    }
    let py = given.py();
    if !matches!(dtype.kind(), b'i' | b'u') {
        return Err(refuse(py, format!("{name} must be integers, not {dtype}")));
    }
    if dtype.is_native_byteorder() == Some(false) {
        let advice = format!(
            "convert them with .astype('{}{}')",
            char::from(dtype.kind()),
            dtype.itemsize()
        );
        let text = format!("{name} are {}, of foreign byte order; {advice}", dtype.str()?);
        return Err(refuse(py, text));
    }
    Ok(array)
}

/// The shape of an array of ids, and the ids, checked.
pub(super) fn ids_of(
    embedding: &FactorizedEmbedding,
    given: &Bound<'_, PyAny>,
) -> PyResult<(Vec<usize>, Vec<TokenId>)> {
    let array = integers(given, "ids")?;
    let ids = with_integers!(&array, "ids", values => embedding.check_ids(values)?);
    Ok((array.shape().to_vec(), ids))
}

/// Offsets of rows in ids of one axis.
pub(super) fn offsets_of(given: &Bound<'_, PyAny>, ids: &[usize]) -> PyResult<Vec<usize>> {
    let array = integers(given, "offsets")?;
    if array.ndim() != 1 || ids.len() != 1 {
        return Err(argument(given.py(), "offsets and the ids they divide must have one axis"));
    }
    Ok(with_integers!(&array, "offsets", values => sizes(values)?))
}

fn sizes<I: AnyId>(values: &[I]) -> Result<Vec<usize>, Error> {
    let convert = |value: &I| {
        let value: i128 = (*value).into();
        let wanted = "from 0 to the number of ids";
        usize::try_from(value).map_err(|_| Error::argument("offsets", value, wanted))
    };
    values.iter().map(convert).collect()
}

/// A weight for every id: a mask of truth values or numbers.
pub(super) fn weights_of(given: &Bound<'_, PyAny>, ids: &[usize]) -> PyResult<Vec<f32>> {
    let py = given.py();
    let array = as_array(given, "mask")?;
    let dtype = array.dtype();
    if !matches!(dtype.kind(), b'b' | b'i' | b'u' | b'f') {
        return Err(refuse(py, format!("mask must be numbers, not {dtype}")));
    }
    if array.shape() != ids {
        let text = format!("mask has shape {:?}, but ids have {ids:?}", array.shape());
        return Err(argument(py, text));
    }
    let array = contiguous(&array, Some("float32"))?;
    let array = array.cast::<PyArrayDyn<f32>>()?;
    let guard = array.try_readonly().map_err(|error| busy(py, "mask", error))?;
    Ok(guard.as_slice().map_err(|error| busy(py, "mask", error))?.to_vec())
}

/// An array of numbers, of 32 or 64 bits, in C order.
pub(super) struct Floats<'py> {
    array: Bound<'py, PyUntypedArray>,
    name: &'static str,
}

/// Takes any array of real numbers with so many axes.
pub(super) fn floats<'py>(
    given: &Bound<'py, PyAny>,
    name: &'static str,
    axes: usize,
) -> PyResult<Floats<'py>> {
    let array = as_array(given, name)?;
    let dtype = array.dtype();
    if !matches!(dtype.kind(), b'i' | b'u' | b'f') {
        return Err(refuse(given.py(), format!("{name} must be real numbers, not {dtype}")));
    }
    if array.ndim() != axes {
        let text = format!("{name} has {} axes, but must have {axes}", array.ndim());
        return Err(argument(given.py(), text));
    }
    let array = match (dtype.kind(), dtype.itemsize(), dtype.is_native_byteorder()) {
        (b'f', 4, Some(true)) => contiguous(&array, None)?,
        (b'f', 2 | 4, _) => contiguous(&array, Some("float32"))?,
        _ => contiguous(&array, Some("float64"))?,
    };
    Ok(Floats { array, name })
}

impl Floats<'_> {
    /// Lends the numbers out in 32 bits, with their shape.
    pub(super) fn with_f32<R>(
        &self,
        use_them: impl FnOnce(&[f32], &[usize]) -> Result<R, Error>,
    ) -> PyResult<R> {
        let shape = self.array.shape();
        if let Ok(array) = self.array.cast::<PyArrayDyn<f32>>() {
            let guard = array.try_readonly().map_err(|error| self.busy(error))?;
            return Ok(use_them(guard.as_slice().map_err(|error| self.busy(error))?, shape)?);
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        let values: Vec<f32> = self.copy(|value: f64| value as f32)?;
        Ok(use_them(&values, shape)?)
    }

    /// The numbers in 64 bits.
    pub(super) fn to_f64(&self) -> PyResult<Vec<f64>> {
        if self.array.cast::<PyArrayDyn<f32>>().is_ok() {
            return self.copy(|value: f32| f64::from(value));
        }
        self.copy(|value: f64| value)
    }

    fn copy<T: Element + Copy, R>(&self, convert: impl Fn(T) -> R) -> PyResult<Vec<R>> {
        let array = self.array.cast::<PyArrayDyn<T>>()?;
        let guard = array.try_readonly().map_err(|error| self.busy(error))?;
        let values = guard.as_slice().map_err(|error| self.busy(error))?;
        Ok(values.iter().copied().map(convert).collect())
    }

    fn busy(&self, error: impl std::fmt::Display) -> PyErr {
        busy(self.array.py(), self.name, error)
    }
}

/// A new array of float32: recycled memory when it is large, otherwise numpy's.
pub(super) fn empty<'py>(
    py: Python<'py>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    static EMPTY: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    if let Some(array) = recycle::array(py, shape)? {
        return Ok(array);
    }
    new(py, shape, &EMPTY, "float32")
}

/// A new array of uint16: likewise.
fn empty_halves<'py>(py: Python<'py>, shape: &[usize]) -> PyResult<Bound<'py, PyArrayDyn<u16>>> {
    static EMPTY: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    if let Some(array) = recycle::array(py, shape)? {
        return Ok(array);
    }
    new(py, shape, &EMPTY, "uint16")
}

fn new<'py, T: Element>(
    py: Python<'py>,
    shape: &[usize],
    parts: &PyOnceLock<(Py<PyAny>, Py<PyAny>)>,
    name: &str,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let (empty, dtype) = parts.get_or_try_init(py, || {
        let dtype = numpy(py, "dtype")?.call1((name,))?;
        Ok::<_, PyErr>((numpy(py, "empty")?.unbind(), dtype.unbind()))
    })?;
    let shape = pyo3::types::PyTuple::new(py, shape)?;
    Ok(empty.bind(py).call1((shape, dtype))?.cast_into::<PyArrayDyn<T>>()?)
}

/// Where vectors go, and what is returned.
pub(super) struct Output<'py> {
    pub(super) numbers: Numbers<'py>,
    /// The caller's array, or the new one in the type that was asked for.
    pub(super) returned: Bound<'py, PyAny>,
}

/// The numbers of an output.
pub(super) enum Numbers<'py> {
    Full(Bound<'py, PyArrayDyn<f32>>),
    Half(Bound<'py, PyArrayDyn<u16>>, HalfFormat),
}

/// The formats that numbers are handed out in; the first is the usual one.
const FORMATS: [(&str, Option<HalfFormat>); 3] = [
    ("float32", None),
    ("float16", Some(HalfFormat::Float16)),
    ("bfloat16", Some(HalfFormat::Bfloat16)),
];

/// The output of a call: a new array, or the caller's if results of this shape can be written into it.
///
/// numpy has no bfloat16. Asked for by name it comes as uint16, the upper halves of float32; asked for
/// with a type of that name (of the package `ml_dtypes`), in that type.
pub(super) fn output<'py>(
    py: Python<'py>,
    out: Option<&Bound<'py, PyAny>>,
    dtype: Option<&Bound<'py, PyAny>>,
    shape: &[usize],
) -> PyResult<Output<'py>> {
    let named = dtype.map(|dtype| format_of(dtype)).transpose()?;
    let Some(out) = out else {
        let Some((Some(half), dtype)) = named else {
            let array = empty(py, shape)?;
            return Ok(Output {
                returned: array.clone().into_any(),
                numbers: Numbers::Full(array),
            });
        };
        let array = empty_halves(py, shape)?;
        let returned = match (half, dtype) {
            (HalfFormat::Float16, _) => array.call_method1("view", ("float16",))?,
            (HalfFormat::Bfloat16, Some(dtype)) => array.call_method1("view", (dtype,))?,
            (HalfFormat::Bfloat16, None) => array.clone().into_any(),
        };
        return Ok(Output { numbers: Numbers::Half(array, half), returned });
    };
    let Ok(array) = out.cast::<PyUntypedArray>() else {
        return Err(wrong_type("out", "a numpy array of float32", out));
    };
    let given = array.dtype();
    let name = given.getattr("name")?.extract::<String>()?;
    let half = match (named, name.as_str()) {
        (None | Some((None, _)), "float32") => None,
        (None | Some((Some(HalfFormat::Float16), _)), "float16") => Some(HalfFormat::Float16),
        (None | Some((Some(HalfFormat::Bfloat16), _)), "bfloat16")
        | (Some((Some(HalfFormat::Bfloat16), _)), "uint16") => Some(HalfFormat::Bfloat16),
        (named, _) => {
            let wanted = match named {
                None => "float32 or float16 (uint16 with dtype=\"bfloat16\")",
                Some((None, _)) => "float32",
                Some((Some(HalfFormat::Float16), _)) => "float16",
                Some((Some(HalfFormat::Bfloat16), _)) => "uint16",
            };
            return Err(refuse(py, format!("out must be an array of {wanted}, not {given}")));
        }
    };
    if given.is_native_byteorder() == Some(false) {
        return Err(refuse(
            py,
            format!("out must be an array of {name} in native byte order, not {}", given.str()?),
        ));
    }
    if array.shape() != shape {
        let text = format!("out has shape {:?}, but must have {shape:?}", array.shape());
        return Err(argument(py, text));
    }
    if !(array.is_c_contiguous() && array.is_aligned()) {
        return Err(argument(py, NOT_CONTIGUOUS));
    }
    let numbers = match half {
        None => Numbers::Full(array.cast::<PyArrayDyn<f32>>()?.clone()),
        Some(half) => {
            let view = array.call_method1("view", ("uint16",))?;
            Numbers::Half(view.cast_into::<PyArrayDyn<u16>>()?, half)
        }
    };
    Ok(Output { numbers, returned: out.clone() })
}

/// The format that `dtype` names, and the type itself if it is one.
fn format_of<'py>(
    dtype: &Bound<'py, PyAny>,
) -> PyResult<(Option<HalfFormat>, Option<Bound<'py, PyAny>>)> {
    if dtype.is_instance_of::<PyString>() {
        return Ok((choice("dtype", dtype, &FORMATS)?, None));
    }
    let py = dtype.py();
    let wrong =
        |_| wrong_type("dtype", "\"float32\", \"float16\", \"bfloat16\" or a numpy type", dtype);
    let made = numpy(py, "dtype")?.call1((dtype,)).map_err(wrong)?;
    Ok((choice("dtype", &made.getattr("name")?, &FORMATS)?, Some(made)))
}

/// Reserves an array for writing.
pub(super) fn writable<'py, T: Element>(
    array: &Bound<'py, PyArrayDyn<T>>,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let refused = |error| argument(array.py(), format!("out cannot be written: {error}"));
    array.try_readwrite().map_err(refused)
}
