//! A bounded queue from one thread to one other, without locks: a ring whose two ends are two owned halves.
//!
//! Each end keeps its own index and what it last saw of the other's, so that it reads the other's cache line only when
//! it believes the ring full or empty; a batch is published by one store. What an end keeps lies on cache lines of its own,
//! wherever the end is put, and the cells it will come to are asked for in good time. Measured by `cargo bench -p laminar-core
//! --bench spsc`; the interleavings of small cases are checked by loom (see CONTRIBUTING.md).
//!
//! The `unsafe` of these files rests on one invariant. Indices count for ever and wrap; the cells of `head..tail` hold items,
//! all others none. Only the producer moves `tail` and writes cells outside of `head..tail`, only the consumer moves `head`
//! and reads cells inside. Neither half can be cloned or shared (their own indices are cells), so there is one of each.
//!
//! * [`SpscQueue`]: both ends before they part; [`Producer`] and [`Consumer`]: `ends.rs`.
//! * `ring.rs`: the cells and the indices between them; `prefetch.rs`: asking for cache lines.

mod ends;
mod prefetch;
mod ring;
#[cfg(test)]
mod tests;

use super::sync;

pub use super::CachePadded;
pub use ends::{Consumer, Producer, SpscQueue};
