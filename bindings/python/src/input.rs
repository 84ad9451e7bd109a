//! Finds rows in what Python programs push: Arrow objects, data frames, lists of dicts, dicts of lists.

use std::collections::BTreeSet;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use laminar_db::connectors::formats::conform::Conform;
use laminar_db::{Code, Error, Result, Rows};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::capsule::{Batches, read_array, read_stream};
use crate::error::{LaminarError, plain};
use crate::result::PyRows;

/// What messages call the rows.
const PLACE: &str = "the pushed data";

/// Batches that are made to fit the columns of a source or table.
pub(crate) struct Input {
    batches: Batches,
    conform: Conform,
    /// Rows that came before.
    rows: usize,
}

impl Input {
    /// Reads `data` as rows with the columns `wanted`.
    pub(crate) fn new(data: &Bound<'_, PyAny>, wanted: SchemaRef) -> PyResult<Self> {
        let (schema, batches) = opened(data, &wanted)?;
        let conform = conform(&schema, wanted).map_err(|error| plain(data.py(), &error))?;
        Ok(Self { batches, conform, rows: 0 })
    }

    /// The next rows. A row that does not fit is an error: the caller can mend it, unlike a file's.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.batches.next().transpose()? else { return Ok(None) };
        let batch = batch.project(self.conform.projection())?;
        // Offsets and text may be wrong whoever made them; kernels trust them.
        batch.columns().iter().try_for_each(|column| column.to_data().validate_full())?;
        let (rows, misfits) = self.conform.apply(&batch)?;
        if let Some(misfit) = misfits.first() {
            let (row, picture) = (self.rows + misfit.row, &misfit.picture);
            return Err(
                Error::new(Code::BadData, format!("row {row}: {}", misfit.reason)).with_detail(format!("the row is {picture}"))
            );
        }
        self.rows += rows.num_rows();
        Ok(Some(rows))
    }
}

/// A column that nobody asked for is refused: it may be a misspelt one.
fn conform(schema: &Schema, wanted: SchemaRef) -> Result<Conform> {
    let conform = Conform::new(schema, wanted.clone(), PLACE)?;
    let taken: BTreeSet<usize> = conform.projection().iter().copied().collect();
    match (0..schema.fields().len()).find(|place| !taken.contains(place)) {
        None => Ok(conform),
        Some(place) => Err(unwanted(schema.field(place).name(), &wanted)),
    }
}

fn unwanted(name: &str, wanted: &Schema) -> Error {
    let names: Vec<&str> = wanted.fields().iter().map(|field| field.name().as_str()).collect();
    Error::new(Code::UnknownColumn, format!("{PLACE} has a column '{name}' that has no place"))
        .with_hint(format!("leave it out; the columns are: {}", names.join(", ")))
}

fn opened(data: &Bound<'_, PyAny>, wanted: &SchemaRef) -> PyResult<(Schema, Batches)> {
    let py = data.py();
    let table = table_of(data, wanted)?;
    let data = table.as_ref().unwrap_or(data);
    let read = if data.hasattr(intern!(py, "__arrow_c_stream__"))? {
        read_stream(&data.call_method0(intern!(py, "__arrow_c_stream__"))?)?
    } else if data.hasattr(intern!(py, "__arrow_c_array__"))? {
        read_array(&data.call_method0(intern!(py, "__arrow_c_array__"))?)?
    } else {
        return Err(PyTypeError::new_err(format!(
            "rows cannot be read from {}; push an Arrow table or batch, a data frame, a list of dicts or a dict of lists",
            data.get_type().qualname()?
        )));
    };
    read.map_err(|error| plain(py, &error))
}

/// What is not Arrow itself, as a table of pyarrow.
fn table_of<'py>(data: &Bound<'py, PyAny>, wanted: &SchemaRef) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = data.py();
    if is_pandas_frame(data)? {
        // The frame's index is no column of it.
        let options = PyDict::new(py);
        options.set_item("preserve_index", false)?;
        return table_class(py)?.call_method("from_pandas", (data,), Some(&options)).map(Some);
    }
    let columns = if let Ok(rows) = data.cast::<PyList>() {
        columns_of_rows(rows, wanted)?
    } else if let Ok(lists) = data.cast::<PyDict>() {
        check_names(lists, wanted)?;
        lists.copy()?
    } else {
        return Ok(None);
    };
    let types = pyarrow(py)?.call_method1("schema", (PyRows::new(Rows::from(RecordBatch::new_empty(wanted.clone()))),))?;
    for (name, values) in columns.copy()? {
        let wanted = types.call_method1("field", (&name,))?.getattr("type")?;
        columns.set_item(name, array_of(&values, &wanted)?)?;
    }
    table_class(py)?.call_method1("from_pydict", (columns,)).map(Some).map_err(|cause| bad_values(py, cause))
}

/// Rows as columns: what a row lacks is NULL there.
fn columns_of_rows<'py>(rows: &Bound<'py, PyList>, wanted: &Schema) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(rows.py());
    for field in wanted.fields() {
        columns.set_item(field.name(), PyList::empty(rows.py()))?;
    }
    let lists: Vec<(String, Bound<'py, PyAny>)> =
        columns.iter().map(|(name, list)| Ok((name.extract()?, list))).collect::<PyResult<_>>()?;
    for (number, row) in rows.iter().enumerate() {
        let Ok(row) = row.cast::<PyDict>() else {
            let class = row.get_type().qualname()?;
            return Err(PyTypeError::new_err(format!("row {number} is {class}, but a list of rows holds dicts")));
        };
        check_names(row, wanted)?;
        for (name, list) in &lists {
            list.cast::<PyList>()?.append(row.get_item(name)?)?;
        }
    }
    Ok(columns)
}

/// Values of the wanted type where pyarrow makes that; else of a type that it finds, to be converted as any table's.
fn array_of<'py>(values: &Bound<'py, PyAny>, wanted: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, make) = (values.py(), pyarrow(values.py())?.getattr("array")?);
    let made = make.call1((values, wanted)).or_else(|_| make.call1((values,)));
    made.map_err(|cause| bad_values(py, cause))
}

fn is_pandas_frame(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = data.get_type();
    let module = class.module()?.to_string();
    Ok(class.name()? == "DataFrame" && (module == "pandas" || module.starts_with("pandas.")))
}

fn check_names(named: &Bound<'_, PyDict>, wanted: &Schema) -> PyResult<()> {
    for name in named.keys() {
        let name = name.str()?.to_string();
        if wanted.fields().iter().all(|field| *field.name() != name) {
            return Err(plain(named.py(), &unwanted(&name, wanted)));
        }
    }
    Ok(())
}

fn bad_values(py: Python<'_>, cause: PyErr) -> PyErr {
    if cause.is_instance_of::<LaminarError>(py) || cause.is_instance_of::<PyImportError>(py) {
        return cause;
    }
    let error = Error::new(Code::BadData, format!("a value does not fit its column: {}", cause.value(py)));
    let raised = plain(py, &error);
    raised.set_cause(py, Some(cause));
    raised
}

fn table_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    pyarrow(py)?.getattr("Table")
}

/// The module, or what to do without it.
pub(crate) fn pyarrow(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("pyarrow").map_err(|cause| {
        let raised = PyImportError::new_err("this needs pyarrow: pip install pyarrow");
        raised.set_cause(py, Some(cause));
        raised
    })
}
