//! The native half of the Python package `laminardb`: databases, results and subscriptions as Python objects.
//!
//! Tables go in and out by the [Arrow PyCapsule interface](https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html),
//! without copies. `python/laminardb/__init__.pyi` is the description that users read.
//!
//! **No call waits for the engine while it holds the interpreter.** Another thread may hold the engine and need the interpreter, for
//! instance to release a buffer that belongs to Python. So everything that takes the engine's lock, dropping a subscription
//! included, runs within `Python::detach`.
//!
//! Rooms: [`database`], [`result`] and [`subscription`] are the three classes; [`input`] finds rows in what is pushed, [`capsule`] (the
//! only file with `unsafe`) carries Arrow structures across, [`value`] makes Python values; [`error`] is the exception.

mod capsule;
mod database;
mod error;
mod input;
mod result;
mod subscription;
mod value;

use pyo3::prelude::*;

/// Batches come and go all the time: the system's allocator would give large ones back and ask for their memory anew. State can leave
/// memory where a `memory_limit` is set.
#[global_allocator]
static ALLOCATOR: laminar_db::core::alloc::SpillAllocator<mimalloc::MiMalloc> =
    laminar_db::core::alloc::SpillAllocator::before(mimalloc::MiMalloc);

/// The module `laminardb._native`; the package gives its names out.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("LaminarError", module.py().get_type::<error::LaminarError>())?;
    module.add("LaminarWarning", module.py().get_type::<error::LaminarWarning>())?;
    module.add_class::<database::PyDatabase>()?;
    module.add_class::<result::PyRows>()?;
    module.add_class::<subscription::PySubscription>()?;
    module.add_function(wrap_pyfunction!(database::connect, module)?)
}
