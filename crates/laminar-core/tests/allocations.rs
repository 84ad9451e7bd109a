//! What the guards see, in a program that counts its allocations: a binary of its own, since the allocator is one for all.

use laminar_core::alloc::{
    CountingAllocator, HotPathGuard, HotSection, ObjectPool, OnAllocation, RingBuffer, hot_path, hot_sections, on_allocation,
    thread_allocations,
};
use laminar_core::tpc::SpscQueue;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn section(name: &str) -> Option<HotSection> {
    hot_sections().into_iter().find(|section| section.name == name)
}

#[test]
fn a_section_that_allocates_is_reported_with_what_it_allocated() {
    for _ in 0..3 {
        hot_path!("boxes");
        drop(std::hint::black_box(Box::new([0_u8; 100])));
    }
    assert_eq!(section("boxes"), Some(HotSection { name: "boxes", runs: 3, allocations: 3, bytes: 300 }));
}

#[test]
fn a_piece_that_grows_counts_and_one_that_is_given_back_does_not() {
    let mut rows = Vec::<u64>::with_capacity(4);
    let guard = HotPathGuard::enter("grows");
    rows.reserve_exact(8);
    assert_eq!((guard.allocated().allocations, guard.allocated().bytes), (1, 64));
    drop(rows);
    assert_eq!(guard.allocated().allocations, 1);
}

#[test]
fn a_section_that_allocates_nothing_is_not_reported() {
    let mut sum = 0;
    for row in 0..1000 {
        hot_path!("sums");
        sum += std::hint::black_box(row);
    }
    assert_eq!((sum, section("sums")), (499_500, None));
}

#[test]
fn an_outer_section_includes_the_inner_one_but_not_its_report() {
    {
        hot_path!("outer");
        hot_path!("inner");
        drop(std::hint::black_box(Box::new(1_u64)));
    }
    let counted = |name| section(name).map(|section| (section.allocations, section.bytes));
    assert_eq!((counted("inner"), counted("outer")), (Some((1, 8)), Some((1, 8))));
}

#[test]
fn another_threads_allocations_are_not_ours() {
    std::thread::scope(|threads| {
        let (go, wait) = std::sync::mpsc::sync_channel(0);
        let (done, told) = std::sync::mpsc::sync_channel(0);
        threads.spawn(move || {
            let () = wait.recv().unwrap();
            drop(std::hint::black_box(vec![0_u8; 1 << 16]));
            done.send(()).unwrap();
        });
        let before = thread_allocations();
        go.send(()).unwrap();
        told.recv().unwrap();
        assert!((thread_allocations() - before).bytes < 1 << 16);
    });
}

#[test]
#[should_panic(expected = "the hot section 'strict' allocated 1 times, 8 bytes")]
fn a_thread_can_be_told_to_panic() {
    on_allocation(OnAllocation::Panic);
    hot_path!("strict");
    drop(std::hint::black_box(Box::new(1_u64)));
}

#[test]
fn pools_rings_and_queues_allocate_only_when_they_are_made() {
    let mut pool = ObjectPool::<Vec<u64>, 4>::filled_by(|| Vec::with_capacity(64));
    let mut ring = RingBuffer::<u64, 8>::new();
    let mut queue = SpscQueue::with_capacity(64);
    let guard = HotPathGuard::enter("reuse");
    for item in 0..1000_u64 {
        let mut buffer = pool.acquire().unwrap();
        buffer.clear();
        ring.push_over(item);
        assert_eq!(queue.push_batch(&mut ring.iter().copied()), ring.len());
        assert_eq!(queue.pop_batch(&mut buffer, 64), ring.len());
        pool.release(buffer);
    }
    assert_eq!(guard.allocated().allocations, 0);
}
