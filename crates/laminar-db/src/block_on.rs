//! Waits for DataFusion on the thread that asked, until the answer is there or the query is interrupted.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use laminar_core::alloc::StateScope;
use laminar_core::{Code, Error, Result};

use crate::interrupt::Interrupt;

/// The future, or an error as soon as it is interrupted: DataFusion's operators give way every few batches.
pub(crate) async fn unless_interrupted<T>(future: impl Future<Output = Result<T>>, interrupt: &Interrupt) -> Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match interrupt.check() {
        Ok(()) => future.as_mut().poll(cx),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}

/// Waits for a future of DataFusion on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_ok() {
        // Waiting inside a runtime would panic deep within it; this says it at the border.
        return Err(Error::new(Code::InvalidQuery, "a query cannot be waited for on a thread of an async runtime")
            .with_hint("call it through tokio::task::spawn_blocking"));
    }
    // What a query works with may be as large as what it reads.
    let _scope = StateScope::enter();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(future)
}
