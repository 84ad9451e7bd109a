//! The class `Result`: rows as Arrow, as a data frame, or as tuples.

use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_db::Rows;
use laminar_db::connectors::formats::Encoder;
use laminar_db::connectors::stdout::TableEncoder;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList, PyTuple};

use crate::capsule;
use crate::error::plain;
use crate::input::pyarrow;
use crate::value::values_of;

/// Rows that `repr` shows.
const SHOWN_ROWS_MAX: usize = 20;

/// The rows of a query, or the changes of one step.
#[pyclass(module = "laminardb", name = "Result", frozen)]
pub(crate) struct PyRows {
    rows: Rows,
    /// Rows that the fetch methods have given out.
    fetched: AtomicUsize,
}

impl PyRows {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { rows, fetched: AtomicUsize::new(0) }
    }

    /// Takes up to `count` rows that were not fetched yet.
    fn fetch<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let total = self.rows.len();
        let take = |fetched: usize| Some(fetched.saturating_add(count).min(total));
        let from = self.fetched.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or(total);
        let (mut skip, mut left) = (from, count.min(total - from));
        let mut fetched = Vec::with_capacity(left);
        for batch in &self.rows.batches {
            let here = batch.num_rows().saturating_sub(skip).min(left);
            if here > 0 {
                let slice = batch.slice(skip, here);
                let columns = slice.columns().iter().map(|column| values_of(py, column)).collect::<PyResult<Vec<_>>>()?;
                for row in 0..here {
                    fetched.push(PyTuple::new(py, columns.iter().map(|column| column[row].bind(py)))?);
                }
            }
            skip = skip.saturating_sub(batch.num_rows());
            left -= here;
        }
        Ok(fetched)
    }
}

#[pymethods]
impl PyRows {
    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.rows.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What is to be known beside the rows.
    #[getter]
    fn notices(&self) -> Vec<String> {
        self.rows.notices.iter().map(ToString::to_string).collect()
    }

    /// The rows as a pyarrow.Table, without a copy.
    fn arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow(slf.py())?.call_method1("table", (slf,))
    }

    /// The rows as a pandas.DataFrame.
    fn df<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::arrow(slf)?.call_method0("to_pandas")
    }

    /// All rows that were not fetched yet, as tuples.
    fn fetchall<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.fetch(py, usize::MAX)?)
    }

    /// Up to `size` rows that were not fetched yet.
    #[pyo3(signature = (size = 1))]
    fn fetchmany<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.fetch(py, size)?)
    }

    /// The next row as a tuple; None after the last.
    fn fetchone<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        Ok(self.fetch(py, 1)?.pop())
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.fetchone(py)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    /// An empty result is a result: it is not false.
    fn __bool__(&self) -> bool {
        true
    }

    /// The first rows as an aligned table.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = Vec::new();
        let (mut encoder, mut left) = (TableEncoder::default(), SHOWN_ROWS_MAX);
        for batch in &self.rows.batches {
            let shown = batch.slice(0, batch.num_rows().min(left));
            encoder.encode(&shown, &mut text).map_err(|error| plain(py, &error))?;
            left -= shown.num_rows();
        }
        let count = self.rows.len();
        let table = String::from_utf8_lossy(&text).into_owned();
        let head = if count == 0 { format!("{}\n", self.columns().join(" | ")) } else { table };
        let note = if count > SHOWN_ROWS_MAX { format!(", the first {SHOWN_ROWS_MAX} are shown") } else { String::new() };
        Ok(format!("{head}({count} rows{note})"))
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface lets a producer keep its own types.
        drop(requested_schema);
        capsule::stream_of(py, &self.rows)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::schema_of(py, &self.rows)
    }
}
