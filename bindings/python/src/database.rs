//! The class `Database`: statements, queries, pushes and the work of sources.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Code, Database, Error, Notice, Result, SlowReader, StatementOutcome, StepId, SubscribeOptions, Turn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::{LaminarWarning, in_text, plain};
use crate::input::Input;
use crate::result::PyRows;
use crate::subscription::PySubscription;

/// How long work goes on before Python gets a chance to see Ctrl-C, in nanoseconds.
pub(crate) const SLICE_NS: i64 = 50_000_000;

/// The wall clock, in nanoseconds.
pub(crate) fn now() -> i64 {
    SystemClock.now()
}

/// When a wait of so many seconds ends.
pub(crate) fn end_of(timeout: Option<f64>) -> PyResult<Option<i64>> {
    let Some(seconds) = timeout else { return Ok(None) };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("a timeout of {seconds} seconds cannot be waited for")));
    }
    // What is longer than a Duration is for ever.
    let wait = Duration::try_from_secs_f64(seconds).map_or(i64::MAX, |wait| i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
    Ok(Some(now().saturating_add(wait)))
}

/// Opens a database.
#[pyfunction]
#[pyo3(signature = (path = ":memory:"))]
pub(crate) fn connect(py: Python<'_>, path: &str) -> PyResult<PyDatabase> {
    let opened = py.detach(|| Database::open(path)).map_err(|error| plain(py, &error))?;
    Ok(PyDatabase { open: Mutex::new(Some(opened)) })
}

/// A database, until it is closed.
#[pyclass(module = "laminardb", name = "Database", frozen)]
pub(crate) struct PyDatabase {
    /// Held only for a moment, never while the engine works.
    open: Mutex<Option<Database>>,
}

impl PyDatabase {
    fn database(&self, py: Python<'_>) -> PyResult<Database> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| plain(py, &Error::new(Code::Closed, "the database is closed")))
    }
}

#[pymethods]
impl PyDatabase {
    /// Runs all statements and answers what the last one answers: a Result, a Subscription or None.
    fn execute(&self, py: Python<'_>, sql: &str) -> PyResult<Option<Py<PyAny>>> {
        let database = self.database(py)?;
        // Answers of statements before the last are dropped here, without the interpreter.
        let answered = py.detach(|| {
            let mut outcomes = database.execute(sql)?;
            let notices: Vec<Notice> = outcomes.iter().flat_map(StatementOutcome::notices).cloned().collect();
            Ok((outcomes.pop(), notices))
        });
        let (last, notices) = answered.map_err(|error: Error| in_text(py, &error, sql))?;
        warn(py, &notices)?;
        Ok(match last {
            Some(StatementOutcome::Rows(rows)) => Some(Py::new(py, PyRows::new(rows))?.into_any()),
            Some(StatementOutcome::Subscription(subscription)) => {
                Some(Py::new(py, PySubscription::new(subscription, database, None))?.into_any())
            }
            Some(
                StatementOutcome::Done { .. }
                | StatementOutcome::Skipped(_)
                | StatementOutcome::Inserted { .. }
                | StatementOutcome::Updated { .. }
                | StatementOutcome::Deleted { .. },
            )
            | None => None,
        })
    }

    /// The rows of one SELECT, as of now.
    fn query(&self, py: Python<'_>, sql: &str) -> PyResult<PyRows> {
        let database = self.database(py)?;
        let rows = py.detach(|| database.query(sql)).map_err(|error| in_text(py, &error, sql))?;
        warn(py, &rows.notices)?;
        Ok(PyRows::new(rows))
    }

    /// Pushes rows and returns how many, when every view is current.
    fn push(&self, py: Python<'_>, name: &str, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let database = self.database(py)?;
        let wanted = py.detach(|| database.schema_of(name)).map_err(|error| plain(py, &error))?;
        let mut input = Input::new(data, wanted)?;
        let mut pushed = 0;
        loop {
            let rows = py.detach(|| push_batch(&database, name, &mut input)).map_err(|error| plain(py, &error))?;
            match rows {
                Some(rows) => pushed += rows,
                None => break,
            }
            py.check_signals()?;
        }
        // What is left of a stream may belong to Python: it goes while no lock is held.
        drop(input);
        Ok(pushed)
    }

    /// Says that nothing more will be pushed into a source.
    fn end_source(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let database = self.database(py)?;
        py.detach(|| database.end_source(name)).map_err(|error| plain(py, &error))
    }

    /// Reads connectors until every bounded source has ended; False if the timeout came before.
    #[pyo3(signature = (timeout = None))]
    fn run(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let database = self.database(py)?;
        let end = end_of(timeout)?;
        loop {
            if py.detach(|| run_slice(&database, end)).map_err(|error| plain(py, &error))? {
                return Ok(true);
            }
            py.check_signals()?;
            if end.is_some_and(|end| now() >= end) {
                return Ok(false);
            }
        }
    }

    /// The changes of an object or a SELECT, step by step.
    #[pyo3(signature = (name_or_query, *, snapshot = None, timeout = None, as_of_step = None, slow_reader = "fail", capacity = None))]
    fn subscribe(
        &self,
        py: Python<'_>,
        name_or_query: &str,
        snapshot: Option<bool>,
        timeout: Option<f64>,
        as_of_step: Option<u64>,
        slow_reader: &str,
        capacity: Option<usize>,
    ) -> PyResult<PySubscription> {
        end_of(timeout)?;
        let database = self.database(py)?;
        let options = SubscribeOptions {
            snapshot,
            as_of_step: as_of_step.map(StepId),
            slow_reader: policy(slow_reader)?,
            capacity: capacity.unwrap_or(usize::MAX),
        };
        let subscription = py.detach(|| database.subscribe_with(name_or_query, options));
        let subscription = subscription.map_err(|error| in_text(py, &error, name_or_query))?;
        warn(py, subscription.notices())?;
        Ok(PySubscription::new(subscription, database, timeout))
    }

    /// Completes the output of sinks and closes the handle. Subscriptions stay open.
    fn close(&self, py: Python<'_>) {
        let taken = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(database) = taken {
            py.detach(|| {
                database.close_sinks();
                drop(database);
            });
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(&self, py: Python<'_>, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

/// What is to be known beside an answer, as Python's warnings, which a program may turn into exceptions.
fn warn(py: Python<'_>, notices: &[Notice]) -> PyResult<()> {
    let category = py.get_type::<LaminarWarning>();
    notices.iter().try_for_each(|notice| {
        let text = CString::new(notice.to_string().replace('\0', "\u{fffd}")).unwrap_or_default();
        PyErr::warn(py, &category, &text, 1)
    })
}

fn push_batch(database: &Database, name: &str, input: &mut Input) -> Result<Option<usize>> {
    let Some(rows) = input.next()? else { return Ok(None) };
    let count = rows.num_rows();
    database.push(name, rows).map(|()| Some(count))
}

/// Works for a moment; true once nothing will come without a push.
fn run_slice(database: &Database, end: Option<i64>) -> Result<bool> {
    let until = now().saturating_add(SLICE_NS).min(end.unwrap_or(i64::MAX));
    loop {
        match database.turn()? {
            Turn::Finished => return Ok(true),
            Turn::Progressed => {}
            Turn::Wait(wait) => nap(wait, until),
        }
        if now() >= until {
            return Ok(false);
        }
    }
}

/// Sleeps, but not beyond `until`.
pub(crate) fn nap(wait: Duration, until: i64) {
    let left = Duration::from_nanos(u64::try_from(until.saturating_sub(now())).unwrap_or(0));
    std::thread::sleep(wait.min(left));
}

fn policy(name: &str) -> PyResult<SlowReader> {
    match name {
        "block" => Ok(SlowReader::Block),
        "drop_oldest" => Ok(SlowReader::DropOldest),
        "fail" => Ok(SlowReader::Fail),
        other => Err(PyValueError::new_err(format!("slow_reader cannot be {other:?}; it is 'block', 'drop_oldest' or 'fail'"))),
    }
}
