//! The C functions for subscriptions: changes that are polled, and changes that call back.
//!
//! The contract of `ffi.rs` holds here too. A callback is a function of C that gets the pointer `context` back, possibly on another
//! thread; it must not unwind, and must not call the database.

#![expect(unsafe_code, reason = "functions that C calls by their names")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::ffi::FFI_ArrowSchema;
use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{CallbackHandle, ChangeSet, Database, Event, Result, Subscription, Turn, schema_with_operations};

use crate::ffi::{Handle, answer, borrowed, check_place, free, guarded, text};
use crate::last_error::remember_notices;
use crate::tables::QueryResult;

/// Between two looks for what other threads push.
const NAP: Duration = Duration::from_millis(1);

/// A reader of changes. Freeing it ends the subscription.
pub struct LaminarSubscriptionHandle(Reader);

enum Reader {
    Polled { subscription: Mutex<Subscription>, database: Database },
    Called { _handle: CallbackHandle },
}

impl LaminarSubscriptionHandle {
    fn polled(&self) -> Result<(MutexGuard<'_, Subscription>, &Database)> {
        match &self.0 {
            Reader::Polled { subscription, database } => {
                Ok((subscription.lock().unwrap_or_else(PoisonError::into_inner), database))
            }
            Reader::Called { .. } => {
                Err(laminar_db::Error::new(laminar_db::Code::InvalidQuery, "a subscription with a callback cannot be polled")
                    .with_hint("use laminar_subscribe for a subscription that is polled"))
            }
        }
    }
}

/// What C hears: changes, or the end; `error` says why it ended early. Both null: all inputs have ended.
type ChangesCallback = extern "C" fn(context: *mut c_void, changes: *const QueryResult, error: *const c_char);

/// Subscribes to an object or a SELECT for `laminar_subscription_next`.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_subscribe(
    database: *const Handle,
    name_or_query: *const c_char,
    subscription: *mut *mut LaminarSubscriptionHandle,
) -> c_int {
    guarded(|| {
        check_place(subscription, "subscription")?;
        answer(subscription, ptr::null_mut());
        let database = borrowed(database, "database")?.database.clone();
        remember_notices(&[]);
        let reader = database.subscribe(text(name_or_query, "name_or_query")?)?;
        remember_notices(reader.notices());
        let reader = Mutex::new(reader);
        give(subscription, Reader::Polled { subscription: reader, database });
        Ok(())
    })
}

/// Calls `callback` with the changes of every step of an object, within the step.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_subscribe_callback(
    database: *const Handle,
    name: *const c_char,
    callback: Option<ChangesCallback>,
    context: *mut c_void,
    subscription: *mut *mut LaminarSubscriptionHandle,
) -> c_int {
    guarded(|| {
        check_place(subscription, "subscription")?;
        answer(subscription, ptr::null_mut());
        let callback = callback.ok_or_else(|| crate::ffi::null("callback"))?;
        let (database, name) = (&borrowed(database, "database")?.database, text(name, "name")?);
        let context = AtomicPtr::new(context);
        let handle = database.on_events(name, move |event| call(callback, context.load(Ordering::Relaxed), &event))?;
        give(subscription, Reader::Called { _handle: handle });
        Ok(())
    })
}

fn give(place: *mut *mut LaminarSubscriptionHandle, reader: Reader) {
    answer(place, Box::into_raw(Box::new(LaminarSubscriptionHandle(reader))));
}

fn call(callback: ChangesCallback, context: *mut c_void, event: &Event<'_>) {
    let failure = match event {
        Event::Ended => return callback(context, ptr::null(), ptr::null()),
        Event::Failed(error) => error.to_string(),
        Event::Changes(changes) => match result_of(changes) {
            Ok(result) => return callback(context, &result, ptr::null()),
            Err(error) => error.to_string(),
        },
    };
    // A NUL inside would end the text early.
    let failure = CString::new(failure.replace('\0', "\u{fffd}")).unwrap_or_default();
    callback(context, ptr::null(), failure.as_ptr());
}

fn result_of(changes: &ChangeSet) -> Result<QueryResult> {
    changes.with_operations().map(QueryResult::of)
}

/// Writes the changes of the next step to `changes`; null if nothing came.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_subscription_next(
    subscription: *const LaminarSubscriptionHandle,
    timeout_ms: i64,
    changes: *mut *mut QueryResult,
) -> c_int {
    guarded(|| {
        check_place(changes, "changes")?;
        answer(changes, ptr::null_mut());
        if let Some(next) = wait(borrowed(subscription, "subscription")?, timeout_ms)? {
            answer(changes, Box::into_raw(Box::new(result_of(&next)?)));
        }
        Ok(())
    })
}

/// Waits `timeout_ms`, also for pushes of other threads; with a negative timeout, until nothing comes without a push.
fn wait(handle: &LaminarSubscriptionHandle, timeout_ms: i64) -> Result<Option<ChangeSet>> {
    let until = SystemClock.now().saturating_add(timeout_ms.saturating_mul(1_000_000));
    let (mut worked, mut idle) = (false, false);
    loop {
        let (mut subscription, database) = handle.polled()?;
        if let Some(changes) = subscription.try_next()? {
            return Ok(Some(changes));
        }
        let late = timeout_ms >= 0 && worked && SystemClock.now() >= until;
        if idle && let Some(failure) = subscription.failure() {
            return Err(failure);
        }
        if idle || late || subscription.is_finished() {
            return Ok(None);
        }
        // Other threads may read while this one works.
        drop(subscription);
        worked = true;
        match database.turn()? {
            Turn::Progressed => {}
            Turn::Finished if timeout_ms < 0 => idle = true,
            Turn::Finished => std::thread::sleep(NAP.min(left(until))),
            Turn::Wait(wait) if timeout_ms < 0 => std::thread::sleep(wait),
            Turn::Wait(wait) => std::thread::sleep(wait.min(left(until))),
        }
    }
}

fn left(until: i64) -> Duration {
    Duration::from_nanos(u64::try_from(until.saturating_sub(SystemClock.now())).unwrap_or(0))
}

/// 1 once nothing will come any more and everything has been read, else 0; 1 for null.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_subscription_finished(subscription: *const LaminarSubscriptionHandle) -> c_int {
    let finished = borrowed(subscription, "subscription").and_then(|handle| Ok(handle.polled()?.0.is_finished()));
    c_int::from(finished.unwrap_or(true))
}

/// Writes the columns of the changes, `step` and `op` first, as the schema of a struct.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_subscription_schema_export(
    subscription: *const LaminarSubscriptionHandle,
    schema: *mut FFI_ArrowSchema,
) -> c_int {
    guarded(|| {
        check_place(schema, "schema")?;
        let columns = schema_with_operations(&borrowed(subscription, "subscription")?.polled()?.0.schema());
        answer(schema, FFI_ArrowSchema::try_from(columns.as_ref())?);
        Ok(())
    })
}

/// Ends a subscription and frees the handle; null is allowed. A callback is not called any more when this returns.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_unsubscribe(subscription: *mut LaminarSubscriptionHandle) {
    free(subscription);
}
