//! The C functions for databases and results: pointers in, pointers out.
//!
//! What every function relies on, and `laminar.h` says: a handle is null or comes from this library and is not freed yet, a
//! text is null or ends with NUL, a place for an answer is null or may be written. Null is checked; the rest cannot be. No panic
//! leaves a function: it becomes an error.

#![expect(unsafe_code, reason = "C has no other way to call; every block says on what it relies")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, StructArray};
use laminar_db::core::panics::caught;
use laminar_db::{Code, Database, Error, Result, StatementOutcome};

use crate::last_error::{LastError, read, read_notices, remember, remember_notices};
use crate::tables::{QueryResult, batch_of};

const OK: c_int = 0;
const ERROR: c_int = 1;

/// A database and the wish of another thread to stop running it.
pub struct Handle {
    pub(crate) database: Database,
    stop: AtomicBool,
}

/// Runs `work`; an error or a panic becomes the thread's last error.
pub(crate) fn guarded(work: impl FnOnce() -> Result<()>) -> c_int {
    match caught(work) {
        Ok(()) => OK,
        Err(error) => {
            remember(&error);
            ERROR
        }
    }
}

pub(crate) fn null(what: &str) -> Error {
    Error::new(Code::InvalidOption, format!("{what} is a null pointer"))
}

pub(crate) fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null, so by contract a text that ends with NUL and lives as long as the call.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Error::new(Code::BadData, format!("{what} is not UTF-8")))
}

pub(crate) fn borrowed<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: null, or by contract a handle that is not freed while the call lasts.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

pub(crate) fn check_place<T>(place: *mut T, what: &str) -> Result<()> {
    if place.is_null() { Err(null(what)) } else { Ok(()) }
}

pub(crate) fn answer<T>(place: *mut T, value: T) {
    // SAFETY: `check_place` has seen that it is not null; by contract it may be written. What was there is not dropped: C
    // gives places that are not initialised.
    unsafe { ptr::write(place, value) }
}

pub(crate) fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: by contract it comes from `Box::into_raw` here and was not freed before.
        let owned = unsafe { Box::from_raw(pointer) };
        // A panic while dropping must not unwind into C; there is nobody to tell.
        let _ = caught(|| {
            drop(owned);
            Ok(())
        });
    }
}

/// Opens a database at `path` and writes its handle to `database`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_open(path: *const c_char, database: *mut *mut Handle) -> c_int {
    guarded(|| {
        check_place(database, "database")?;
        answer(database, ptr::null_mut());
        let opened = Database::open(text(path, "path")?)?;
        answer(database, Box::into_raw(Box::new(Handle { database: opened, stop: AtomicBool::new(false) })));
        Ok(())
    })
}

/// Completes the sinks and frees the handle; null is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_close(database: *mut Handle) {
    if let Ok(handle) = borrowed(database, "database") {
        guarded(|| {
            handle.database.close_sinks();
            Ok(())
        });
    }
    free(database);
}

/// Runs all statements of `sql`, stopping at the first that fails. Rows of queries among them are thrown away.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_execute(database: *const Handle, sql: *const c_char) -> c_int {
    guarded(|| {
        remember_notices(&[]);
        let outcomes = borrowed(database, "database")?.database.execute(text(sql, "sql")?)?;
        remember_notices(outcomes.iter().flat_map(StatementOutcome::notices));
        Ok(())
    })
}

/// Runs one query and writes its result to `result`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_query(database: *const Handle, sql: *const c_char, result: *mut *mut QueryResult) -> c_int {
    guarded(|| {
        check_place(result, "result")?;
        answer(result, ptr::null_mut());
        remember_notices(&[]);
        let rows = borrowed(database, "database")?.database.query(text(sql, "sql")?)?;
        remember_notices(&rows.notices);
        answer(result, Box::into_raw(Box::new(QueryResult(rows))));
        Ok(())
    })
}

/// The rows of a struct array. Array and schema are consumed, also on failure, unless one of the pointers is null.
fn imported(array: *mut FFI_ArrowArray, schema: *mut FFI_ArrowSchema) -> Result<RecordBatch> {
    check_place(array, "array")?;
    check_place(schema, "schema")?;
    // SAFETY: not null, so by contract structures of the Arrow C data interface; they are moved out of their places.
    let (array, schema) = unsafe { (FFI_ArrowArray::from_raw(array), FFI_ArrowSchema::from_raw(schema)) };
    if array.is_released() {
        return Err(Error::new(Code::BadData, "the array was released or pushed before"));
    }
    // SAFETY: by contract the structures agree with the interface. What they hold is validated afterwards.
    let data = unsafe { from_ffi(array, &schema) }?;
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) {
        return Err(Error::new(Code::TypeMismatch, format!("an array of {} is not rows", data.data_type()))
            .with_hint("push a struct array (format \"+s\") with one child for each column"));
    }
    batch_of(&StructArray::from(data), &schema)
}

/// Pushes the rows of a struct array. Array and schema are consumed, also on failure, unless one of the pointers is null.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_push(
    database: *const Handle,
    name: *const c_char,
    array: *mut FFI_ArrowArray,
    schema: *mut FFI_ArrowSchema,
) -> c_int {
    guarded(|| {
        let rows = imported(array, schema)?;
        borrowed(database, "database")?.database.push(text(name, "name")?, rows)
    })
}

/// Pushes all rows of a result.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_push_result(database: *const Handle, name: *const c_char, result: *const QueryResult) -> c_int {
    guarded(|| {
        let (handle, name) = (borrowed(database, "database")?, text(name, "name")?);
        let batches = &borrowed(result, "result")?.0.batches;
        batches.iter().try_for_each(|batch| handle.database.push(name, batch.clone()))
    })
}

/// Makes a result of one batch out of a struct array. Array and schema are consumed as by `laminar_push`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_batch_import(
    array: *mut FFI_ArrowArray,
    schema: *mut FFI_ArrowSchema,
    result: *mut *mut QueryResult,
) -> c_int {
    guarded(|| {
        let rows = imported(array, schema);
        check_place(result, "result")?;
        answer(result, ptr::null_mut());
        answer(result, Box::into_raw(Box::new(QueryResult::of(rows?))));
        Ok(())
    })
}

/// Says that nothing more will be pushed into a source.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_end_source(database: *const Handle, name: *const c_char) -> c_int {
    guarded(|| borrowed(database, "database")?.database.end_source(text(name, "name")?))
}

/// Works until every bounded source is read to its end, or another thread calls `laminar_stop`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_run(database: *const Handle) -> c_int {
    guarded(|| {
        let handle = borrowed(database, "database")?;
        let outcome = handle.database.run_until_finished(&handle.stop);
        handle.stop.store(false, Ordering::Relaxed);
        outcome
    })
}

/// Makes `laminar_run` of another thread return; else the next one returns at once.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_stop(database: *const Handle) {
    if let Ok(handle) = borrowed(database, "database") {
        handle.stop.store(true, Ordering::Relaxed);
    }
}

/// How many rows a result has; 0 for null.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_row_count(result: *const QueryResult) -> u64 {
    borrowed(result, "result").map_or(0, |result| result.0.len() as u64)
}

/// In how many batches the rows of a result are; 0 for null.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_batch_count(result: *const QueryResult) -> u64 {
    borrowed(result, "result").map_or(0, |result| result.0.batches.len() as u64)
}

/// Writes batch `index` of a result as a struct array and its schema. Both are the caller's to release.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_batch_export(
    result: *const QueryResult,
    index: u64,
    array: *mut FFI_ArrowArray,
    schema: *mut FFI_ArrowSchema,
) -> c_int {
    guarded(|| {
        check_place(array, "array")?;
        check_place(schema, "schema")?;
        let (exported, its_schema) = borrowed(result, "result")?.batch(index)?;
        answer(array, exported);
        answer(schema, its_schema);
        Ok(())
    })
}

/// Writes the columns of a result as the schema of a struct. It is the caller's to release.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_schema_export(result: *const QueryResult, schema: *mut FFI_ArrowSchema) -> c_int {
    guarded(|| {
        check_place(schema, "schema")?;
        answer(schema, borrowed(result, "result")?.schema()?);
        Ok(())
    })
}

/// Writes a stream of all batches of a result. It is the caller's to release, and may outlive the result.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_stream_export(result: *const QueryResult, stream: *mut FFI_ArrowArrayStream) -> c_int {
    guarded(|| {
        check_place(stream, "stream")?;
        answer(stream, borrowed(result, "result")?.stream());
        Ok(())
    })
}

/// Frees a result; null is allowed. What was exported from it lives on.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_result_free(result: *mut QueryResult) {
    free(result);
}

fn last_text(of: impl FnOnce(&LastError) -> Option<&CString>) -> *const c_char {
    read(|last| last.and_then(of).map_or(ptr::null(), |text| text.as_ptr()))
}

/// The stable code of the thread's last error (`LDB-1003`); null if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_last_error_code() -> *const c_char {
    last_text(|last| Some(&last.code))
}

/// What went wrong; null if nothing did.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_last_error_message() -> *const c_char {
    last_text(|last| Some(&last.message))
}

/// What to write or do instead; null if there is no advice.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_last_error_hint() -> *const c_char {
    last_text(|last| last.hint.as_ref())
}

/// The byte of the SQL text at which the fault begins; -1 if it has no place.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_last_error_position() -> i64 {
    read(|last| last.and_then(|last| last.position).and_then(|position| i64::try_from(position).ok()).unwrap_or(-1))
}

/// What the thread's last `laminar_execute`, `laminar_query` or `laminar_subscribe` had to say beside its answer, a line each; null if nothing.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_last_notices() -> *const c_char {
    read_notices(|notices| notices.map_or(ptr::null(), |text| text.as_ptr()))
}

/// The version of the library.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
