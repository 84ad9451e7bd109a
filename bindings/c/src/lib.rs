//! LaminarDB for C and for every language that can call it: `include/laminar.h` is the description, this is the library.
//!
//! Tables go in and out by the [Arrow C data interface](https://arrow.apache.org/docs/format/CDataInterface.html): structures
//! of pointers, no copies, and no Arrow library needed on the other side. Every function that can fail returns 0 or 1, and
//! the thread's last error is then readable as code, message, hint and position.
//!
//! Rooms: [`ffi`] and [`ffi_subscriptions`] hold the C functions and are the only files with `unsafe`; [`last_error`] remembers
//! errors; [`tables`] turns results and Arrow structures into each other.

pub mod ffi;
pub mod ffi_subscriptions;
mod last_error;
pub mod tables;

/// Batches come and go all the time: the system's allocator would give large ones back and ask for their memory anew. State can leave
/// memory where a `memory_limit` is set.
#[global_allocator]
static ALLOCATOR: laminar_db::core::alloc::SpillAllocator<mimalloc::MiMalloc> =
    laminar_db::core::alloc::SpillAllocator::before(mimalloc::MiMalloc);
