//! The parts of `laminar_core::tpc` that are tried out, as they stand there, and the models.

#[path = "../../../crates/laminar-core/src/thread/cache_padded.rs"]
mod cache_padded;
mod queue;
mod signal;
#[expect(dead_code, reason = "the models use a part of it")]
mod spsc;
mod sync;

use cache_padded::CachePadded;

/// How often a thread is interrupted at most, besides where it waits; without a bound, threads that wait for each other take
/// hours. `LAMINAR_PREEMPTIONS` sets another bound.
const PREEMPTIONS_MAX: usize = 3;

/// Runs `model` in all orders with so many interruptions that the memory model allows.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let bound = std::env::var("LAMINAR_PREEMPTIONS").map_or(PREEMPTIONS_MAX, |text| text.parse().expect("a number"));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 1_000;
    builder.check(model);
}
