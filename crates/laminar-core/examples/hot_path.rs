//! Shows that a hot path does not allocate, and what it looks like when one does.
//!
//! `cargo run --release -p laminar-core --example hot_path`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use laminar_core::alloc::{CountingAllocator, HotPathGuard, ObjectPool, RingBuffer, hot_sections, reset_hot_sections};
use laminar_core::hot_path;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const EVENTS: u64 = 1_000_000;

/// A text for each event, made anew each time.
fn careless(event: u64) -> usize {
    hot_path!("careless");
    format!("event {event}").len()
}

/// The same text in a buffer that was made before, and the last 16 lengths in a ring.
fn careful(event: u64, pool: &mut ObjectPool<String, 4>, last: &mut RingBuffer<usize, 16>) -> usize {
    let _guard = HotPathGuard::enter("careful");
    let mut text = pool.acquire().unwrap_or_default();
    text.clear();
    let _ = std::fmt::Write::write_fmt(&mut text, format_args!("event {event}"));
    let length = text.len();
    last.push_over(length);
    pool.release(text);
    length
}

fn main() {
    let mut pool = ObjectPool::<String, 4>::filled_by(|| String::with_capacity(64));
    let mut last = RingBuffer::new();
    let (mut a, mut b) = (0, 0);
    for event in 0..EVENTS {
        a += careless(event);
        b += careful(event, &mut pool, &mut last);
    }
    assert_eq!(a, b, "both did the same work");
    println!("{EVENTS} events, {a} bytes of text; the last lengths were {:?}", last.iter().collect::<Vec<_>>());
    println!("sections that allocated:");
    for section in hot_sections() {
        println!("  {}: {} allocations, {} bytes in {} runs", section.name, section.allocations, section.bytes, section.runs);
    }
    let clean = hot_sections().iter().all(|section| section.name != "careful");
    println!("'careful' is {}", if clean { "not among them" } else { "among them: it allocates" });
    reset_hot_sections();
}
