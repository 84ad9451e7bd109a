//! The names that programs in Rust are written against, used word for word: what compiles here must go on compiling.
//!
//! One test for each system. What the systems do in every case is tested beside them; here each does the one thing it is for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::sliding_window::{SlidingWindowAssigner, SlidingWindowOperator};
use laminar_core::operator::stream_join::{JoinSide, JoinType, StreamJoinOperator};
use laminar_core::operator::window::{CountAggregator, EmitStrategy, LateDataConfig, LateDataMetrics, WindowAggregator};
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::{EventTime, ManualClock, Watermark};
use laminar_core::tpc::{CoreConfig, CoreHandle, Event, OverflowStrategy};
use laminar_core::{ChangeBatch, Port, Result, StepId};

/// Each path as users write it, where it differs from those in the tests.
mod paths {
    #![expect(unused_imports, reason = "that they are found is the test")]

    use laminar_core::alloc::{HotPathGuard, ObjectPool, RingBuffer, hot_path};
    use laminar_core::tpc::backpressure::OverflowStrategy;
    use laminar_core::tpc::{BackpressureConfig, CreditGate, OverflowStrategy as SameStrategy};
    use laminar_core::tpc::{CachePadded, SpscQueue};
    use laminar_core::tpc::{CoreConfig, CoreHandle};
    use laminar_core::tpc::{KeyRouter, KeySpec};
    use laminar_core::{budget, hot_path as same_macro, numa, reactor, time};
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

/// `ts`, `user`.
fn clicks() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    Arc::new(Schema::new(vec![Field::new("ts", time, false), Field::new("user", DataType::Utf8, true)]))
}

/// `key`, `n`.
fn numbers() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, false), Field::new("n", DataType::Int64, true)]))
}

fn rows(schema: &SchemaRef, text: &str) -> ChangeBatch {
    ChangeBatch::parse(schema, text).unwrap()
}

/// An operator by hand: each call is a step.
struct Steps {
    operator: SlidingWindowOperator,
    watermark: Watermark,
    clock: i64,
    rejected: usize,
}

impl Steps {
    /// Counts in windows of ten minutes.
    fn new(strategy: EmitStrategy, lateness: u64) -> Self {
        let assigner = SlidingWindowAssigner::new(Duration::from_secs(600), Duration::from_secs(600));
        let operator = SlidingWindowOperator::new(assigner, CountAggregator::new(), Duration::from_secs(60 * lateness));
        Self::of(operator.with_emit_strategy(strategy))
    }

    fn of(operator: SlidingWindowOperator) -> Self {
        Self { operator, watermark: Watermark::START, clock: 0, rejected: 0 }
    }

    /// Rows, and a watermark in minutes (0: it stays where it is). Returns what came out, and when it wants to be woken.
    fn step(&mut self, text: &str, minutes: i64) -> (Vec<ChangeBatch>, Option<i64>) {
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(0), self.clock, self.watermark, &mut out, &mut rejected, &mut wake_at);
        self.operator.on_changes(Port::LEFT, rows(&clicks(), text), &mut cx).unwrap();
        if minutes > 0 {
            self.watermark = Watermark(minutes * MINUTE);
            self.operator.on_watermark(self.watermark, &mut cx).unwrap();
        }
        self.operator.end_step(&mut cx).unwrap();
        self.rejected += rejected.iter().map(|late| late.reasons.len()).sum::<usize>();
        (out, wake_at)
    }

    /// The counts that came out, each with its sign.
    fn counts(&mut self, text: &str, minutes: i64) -> Vec<(i64, i64)> {
        let (out, _) = self.step(text, minutes);
        let counts = |changes: &ChangeBatch| -> Vec<(i64, i64)> {
            let counts = changes.column(2).as_primitive::<Int64Type>();
            (0..changes.len()).map(|row| (changes.weight(row), counts.value(row))).collect()
        };
        out.iter().flat_map(counts).collect()
    }
}

#[test]
fn an_event_is_in_four_windows_of_an_hour_that_slide_by_a_quarter() {
    let assigner = SlidingWindowAssigner::new(Duration::from_secs(3600), Duration::from_secs(900));
    assert_eq!(assigner.assign_windows(EventTime(70 * MINUTE)).unwrap().len(), 4);

    let operator = SlidingWindowOperator::new(assigner, CountAggregator::new(), Duration::from_secs(0));
    let counts = Steps::of(operator).counts("+1 | 01:10:00 | ann ; +1 | 01:20:00 | bob", 180);
    assert_eq!(counts, [(1, 1), (1, 2), (1, 2), (1, 2), (1, 1)], "windows that end at 1:15, 1:30, … 2:15");
}

#[test]
fn each_strategy_emits_when_it_says() {
    const ROWS: [(&str, i64); 4] =
        [("+1 | 00:01:00 | a", 0), ("+1 | 00:02:00 | b", 0), ("", 10), ("+1 | 00:03:00 | too late for some", 0)];
    let emitted = |strategy| {
        let mut steps = Steps::new(strategy, 5);
        ROWS.map(|(text, minutes)| steps.counts(text, minutes))
    };
    assert_eq!(emitted(EmitStrategy::OnWatermark), [vec![], vec![], vec![(1, 2)], vec![(-1, 2), (1, 3)]]);
    assert_eq!(emitted(EmitStrategy::OnUpdate), [vec![(1, 1)], vec![(1, 2)], vec![], vec![(1, 3)]]);
    assert_eq!(emitted(EmitStrategy::Changelog), [vec![(1, 1)], vec![(-1, 1), (1, 2)], vec![], vec![(-1, 2), (1, 3)]]);
    assert_eq!(emitted(EmitStrategy::Final), [vec![], vec![], vec![(1, 2)], vec![]], "the late row is dropped");

    let mut closing = Steps::new(EmitStrategy::OnWindowClose, 5);
    assert_eq!(ROWS.map(|(text, minutes)| closing.counts(text, minutes)), [vec![], vec![], vec![], vec![]]);
    assert_eq!(closing.counts("", 15), [(1, 3)], "once, when no more late rows are taken");

    let mut periodic = Steps::new(EmitStrategy::Periodic(Duration::from_secs(5)), 5);
    let (out, wake_at) = periodic.step("+1 | 00:01:00 | a", 0);
    assert_eq!((out.len(), wake_at), (0, Some(5 * SECOND)), "it is a timer");
    periodic.clock = 5 * SECOND;
    assert_eq!(periodic.counts("", 0), [(1, 1)]);
}

#[test]
fn a_changelog_says_what_happened_to_each_row() {
    use laminar_core::operator::window::{CdcOperation, ChangelogRecord};

    let changes = rows(&numbers(), "+1 | 1 | 10 ; -1 | 2 | 20 ; -1 | 3 | 30 ; +1 | 3 | 31");
    let records = ChangelogRecord::of_changes(&changes, &[0], 7).unwrap();
    let said: Vec<(CdcOperation, i32)> = records
        .iter()
        .map(|ChangelogRecord { operation, weight, emit_timestamp, event }| {
            let (at, rows): (i64, usize) = (*emit_timestamp, event.num_rows());
            assert_eq!((at, rows), (7, 1));
            (*operation, *weight)
        })
        .collect();
    let expected =
        [(CdcOperation::Insert, 1), (CdcOperation::Delete, -1), (CdcOperation::UpdateBefore, -1), (CdcOperation::UpdateAfter, 1)];
    assert_eq!(said, expected);
}

#[test]
fn late_rows_are_dropped_taken_for_a_time_or_put_aside_and_counted() {
    for (late, counts, dropped, side_output) in [
        (LateDataConfig::drop(), vec![], 1, 0),
        (LateDataConfig::allow(Duration::from_secs(300)), vec![(-1, 1), (1, 2)], 0, 0),
        (LateDataConfig::drop().with_side_output(), vec![], 0, 1),
    ] {
        let mut steps = Steps::new(EmitStrategy::OnWatermark, 0);
        steps.operator = steps.operator.with_late_data(late);
        assert_eq!(steps.counts("+1 | 00:01:00 | a", 10), [(1, 1)]);
        assert_eq!(steps.counts("+1 | 00:02:00 | late", 0), counts, "{late:?}");
        let metrics: LateDataMetrics = steps.operator.late_data_metrics();
        assert_eq!((metrics.dropped, metrics.side_output, steps.rejected as u64), (dropped, side_output, side_output));
    }
}

#[test]
fn a_changelog_ref_has_twelve_bytes_and_a_buffer_keeps_its_memory() {
    use laminar_core::operator::changelog::{ChangelogBuffer, ChangelogRef};

    assert_eq!(size_of::<ChangelogRef>(), 12);
    let ChangelogRef { batch_offset, row_index, weight, .. } = ChangelogRef::delete(1, 2);
    let fields: (u32, u32, i16) = (batch_offset, row_index, weight);
    assert_eq!(fields, (1, 2, -1));

    let mut buffer = ChangelogBuffer::with_capacity(2);
    let memory = buffer.as_slice().as_ptr();
    assert!(buffer.push_update((0, 0), (0, 1)) && !buffer.push(ChangelogRef::insert(0, 0)));
    buffer.clear();
    assert_eq!((buffer.len(), buffer.as_slice().as_ptr()), (0, memory));
}

#[test]
fn accumulators_take_back_what_they_were_given() {
    use laminar_core::operator::changelog::{
        RetractableAccumulator, RetractableAvg, RetractableCount, RetractableFirst, RetractableLast, RetractableMax,
        RetractableMin, RetractableSum,
    };

    fn check<A: RetractableAccumulator>(values: impl IntoIterator<Item = A::Input>, gone: &A::Input, expected: A::Output)
    where
        A::Output: PartialEq + std::fmt::Debug,
    {
        let (mut one, mut other) = (A::default(), A::default());
        for (nth, value) in values.into_iter().enumerate() {
            if nth % 2 == 0 { one.add(value) } else { other.add(value) }
        }
        one.retract(gone);
        one.merge(&other);
        assert_eq!(one.result(), expected);
        assert!(!one.is_empty() && one.supports_efficient_retraction());
        one.reset();
        assert!(one.is_empty());
    }
    check::<RetractableCount>([(), (), ()], &(), 2);
    check::<RetractableSum>([1, 2, 3], &3, Some(3));
    check::<RetractableAvg>([1.0, 2.0, 6.0], &6.0, Some(1.5));
    check::<RetractableMin<i64>>([1, 2, 3], &1, Some(2));
    check::<RetractableMax<i64>>([1, 2, 3], &3, Some(2));
    check::<RetractableFirst<&str>>([(1, "a"), (2, "b"), (3, "c")], &(1, "a"), Some("b"));
    check::<RetractableLast<&str>>([(1, "a"), (2, "b"), (3, "c")], &(3, "c"), Some("b"));
}

#[test]
fn a_late_row_retracts_the_result_that_was_shown() {
    use laminar_core::operator::changelog::LateDataRetractionGenerator;

    let mut generator = LateDataRetractionGenerator::new();
    let window_id = (0, 60);
    assert_eq!(generator.check_retraction(&window_id, 5, 60), None);
    let retraction: Option<(i32, i32)> = generator.check_retraction(&window_id, 6, 60);
    assert_eq!(retraction, Some((5, 6)));
}

#[test]
fn an_envelope_has_the_fields_and_letters_of_debezium() {
    use laminar_core::operator::changelog::{CdcEnvelope, CdcSource};

    let source = || CdcSource::new("shop", "main", "prices");
    let envelopes: [CdcEnvelope<&str>; 4] = [
        CdcEnvelope::insert("new", source(), 1),
        CdcEnvelope::update("old", "new", source(), 1),
        CdcEnvelope::delete("old", source(), 1),
        CdcEnvelope::read("there", source(), 1),
    ];
    let said = envelopes.map(|CdcEnvelope { op, ts_ms, source, before, after }| {
        assert_eq!((ts_ms, source.table.as_str()), (1, "prices"));
        (op.code(), before, after)
    });
    let expected =
        [("c", None, Some("new")), ("u", Some("old"), Some("new")), ("d", Some("old"), None), ("r", None, Some("there"))];
    assert_eq!(said, expected);
}

#[test]
fn a_queue_goes_from_one_thread_to_one_other_and_padded_values_have_lines_of_their_own() {
    use laminar_core::tpc::spsc::{CachePadded, SpscQueue};

    assert_eq!((align_of::<CachePadded<u64>>(), size_of::<CachePadded<u64>>()), (64, 64));

    let queue: SpscQueue<u64> = SpscQueue::new(8);
    let (mut producer, consumer) = queue.split();
    let mut seen = Vec::new();
    thread::scope(|threads| {
        threads.spawn(move || {
            let mut items = 0..100;
            while !items.is_empty() {
                producer.push_batch(&mut items);
                thread::yield_now();
            }
        });
        while seen.len() < 100 {
            consumer.pop_batch(&mut seen, 16);
            thread::yield_now();
        }
    });
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_router_sends_equal_keys_to_one_worker() {
    use laminar_core::tpc::router::{KeyRouter, KeySpec};

    let spec = KeySpec::Columns(vec!["key".to_owned()]);
    let mut router = KeyRouter::new(&spec, &numbers(), 4).unwrap();
    let changes = rows(&numbers(), "+1 | 1 | 10 ; +1 | 2 | 20 ; +1 | 1 | 11 ; +1 | 3 | 30 ; -1 | 1 | 10");
    let parts = router.route(changes).unwrap();
    assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), 5);
    let has_ones = |part: &ChangeBatch| part.column(0).as_primitive::<Int64Type>().values().contains(&1);
    assert_eq!(parts.iter().filter(|(_, part)| has_ones(part)).count(), 1);
}

/// A source `numbers` whose rows are the output.
fn through() -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("numbers", numbers(), SourceSpec::TIMELESS);
    dag.output("all", source);
    dag.finish()
}

#[test]
fn a_core_runs_a_graph_on_a_thread_of_its_own_and_says_how_much_room_it_has() {
    fn spawned() -> Result<CoreHandle> {
        let config = CoreConfig { numa_aware: true, ..Default::default() };
        let mut core = CoreHandle::spawn(config)?;
        core.attach(through)?;
        Ok(core)
    }
    let mut core = spawned().unwrap();
    assert!(!core.is_backpressured());
    assert_eq!(core.available_credits(), core.credit_metrics().capacity);
    core.submit(Event::new(core.source("numbers").unwrap(), rows(&numbers(), "+1 | 1 | 2 ; +1 | 3 | 4"))).unwrap();
    assert_eq!(core.credit_metrics().acquired, 2);
    let mut seen = Vec::new();
    core.shutdown(|output| seen.extend(output.changes().map(|changes| (output.core, changes.print())))).unwrap();
    assert_eq!(seen, [(0, "+1 | 1 | 2\n+1 | 3 | 4".to_owned())]);
}

#[test]
fn the_default_core_is_number_0_and_stays_nowhere() {
    let config = CoreConfig::default();
    assert_eq!((config.core, config.cpu, config.numa_aware), (0, None, false));
    assert_eq!(format!("{config:?}"), format!("{:?}", CoreConfig::new(0)));
}

#[test]
fn a_gate_gives_credits_and_counts_what_it_drops() {
    use laminar_core::tpc::backpressure::{Admission, BackpressureConfig, CreditGate};

    let built = |strategy: OverflowStrategy| {
        BackpressureConfig::builder()
            .exclusive_credits(4)
            .floating_credits(4)
            .high_watermark(0.8)
            .low_watermark(0.5)
            .overflow_strategy(strategy)
            .build()
    };
    for (strategy, admission, dropped, refused) in [
        (OverflowStrategy::Block, Some(Admission::Wait), 0, 0),
        (OverflowStrategy::Drop, Some(Admission::Dropped), 2, 0),
        (OverflowStrategy::DropNewest, Some(Admission::Dropped), 2, 0),
        (OverflowStrategy::DropOldest, Some(Admission::ReplaceOldest), 2, 0),
        (OverflowStrategy::Error, None, 0, 2),
    ] {
        let gate = CreditGate::new(built(strategy).unwrap());
        assert!(gate.try_acquire(7) && gate.is_backpressured());
        assert_eq!(gate.offer(2).ok(), admission, "{strategy:?}");
        assert_eq!((gate.metrics().dropped, gate.metrics().refused), (dropped, refused), "{strategy:?}");
        gate.release(3);
        assert!(!gate.is_backpressured());
    }
}

#[test]
fn a_runtime_builds_each_cores_graph_and_deals_rows_out_by_key() {
    use laminar_core::tpc::{ThreadPerCoreRuntime, TpcConfig};

    fn counted(built: &Arc<AtomicUsize>) -> Result<i64> {
        let config = TpcConfig::builder().num_cores(4).key_columns(vec!["key".to_string()]).cpu_pinning(true).build()?;
        let mut runtime = ThreadPerCoreRuntime::new(config)?;
        let by_core = Arc::clone(built);
        runtime.attach(move |_core| {
            by_core.fetch_add(1, Ordering::SeqCst);
            let mut dag = DagBuilder::new();
            let source = dag.source("numbers", numbers(), SourceSpec::TIMELESS);
            let key = vec![("key", Column::new(&numbers(), 0))];
            let counts = dag.aggregate("counts", source, key, vec![CountAggregator::new().call()?]);
            dag.output("counts", counts);
            dag.finish()
        })?;
        let source = runtime.source("numbers")?;
        for _ in 0..3 {
            let event = Event::new(source, rows(&numbers(), "+1 | 1 | 0 ; +1 | 2 | 0 ; +1 | 3 | 0 ; +1 | 1 | 0"));
            runtime.submit(event)?;
        }
        let mut total = 0;
        while total < 12 {
            for output in runtime.poll()? {
                let Some(changes) = output.changes() else { continue };
                let counts = changes.column(1).as_primitive::<Int64Type>().values();
                total += counts.iter().enumerate().map(|(row, count)| count * changes.weight(row)).sum::<i64>();
            }
            thread::yield_now();
        }
        Ok(total)
    }
    let built = Arc::new(AtomicUsize::new(0));
    assert_eq!((counted(&built).unwrap(), built.load(Ordering::SeqCst)), (12, 4));
}

#[test]
fn hot_paths_are_guarded_and_pools_and_rings_have_their_size_in_their_type() {
    use laminar_core::alloc::{HotPathGuard, ObjectPool, RingBuffer, hot_sections};
    use laminar_core::hot_path;

    fn process_event(pool: &mut ObjectPool<Vec<u64>, 2>, last: &mut RingBuffer<u64, 4>, event: u64) -> Option<()> {
        let _guard = HotPathGuard::enter("process_event");
        hot_path!("process_event, inside");
        let mut buffer: Vec<u64> = pool.acquire()?;
        buffer.push(event);
        last.push_over(event);
        pool.release(buffer);
        Some(())
    }
    let (mut pool, mut last) = (ObjectPool::<Vec<u64>, 2>::new(), RingBuffer::<u64, 4>::new());
    for event in 0..6 {
        process_event(&mut pool, &mut last, event).unwrap();
    }
    assert_eq!(last.iter().copied().collect::<Vec<_>>(), [2, 3, 4, 5]);
    let taken: [Option<Vec<u64>>; 3] = [pool.acquire(), pool.acquire(), pool.acquire()];
    assert_eq!(taken.map(|buffer| buffer.map_or(0, |buffer| buffer.len())), [6, 0, 0], "two, and no third");
    assert!(hot_sections().is_empty(), "this program counts no allocations; tests/allocations.rs does");
}

#[test]
fn a_task_that_overruns_its_budget_yields_and_is_counted() {
    use laminar_core::budget::{BudgetMetrics, TaskBudget};

    let clock = ManualClock::at(0);
    let mut budget = TaskBudget::of_event("process_event", Arc::new(clock.clone()));
    let mut pieces = 0;
    budget.begin();
    while !budget.exceeded() {
        pieces += 1;
        clock.advance(200);
    }
    budget.finish();
    assert_eq!((pieces, budget.limit_ns()), (3, 500));
    assert_eq!(budget.metrics(), BudgetMetrics { runs: 1, overruns: 1, spent_ns: 600, over_ns: 100, worst_ns: 600 });
}

#[test]
fn memory_is_had_on_a_node_and_over_all_nodes_even_where_there_is_one() {
    use laminar_core::numa::{NumaAllocator, NumaPlacement, NumaTopology};

    fn filled() -> Result<[(usize, usize, NumaPlacement); 2]> {
        let allocator = NumaAllocator::new();
        let (mut local, mut interleaved) = (allocator.alloc_local(4096, 64)?, allocator.alloc_interleaved(1 << 16, 4096)?);
        local.fill(1);
        interleaved.fill(2);
        let seen =
            |memory: &laminar_core::numa::NumaMemory, align| (memory.len(), memory.as_ptr().addr() % align, memory.placement());
        Ok([seen(&local, 64), seen(&interleaved, 4096)])
    }
    let [local, interleaved] = filled().unwrap();
    assert_eq!(((local.0, local.1), (interleaved.0, interleaved.1)), ((4096, 0), (1 << 16, 0)));
    assert!([NumaPlacement::Local, NumaPlacement::Anywhere].contains(&local.2));
    assert!([NumaPlacement::Interleaved, NumaPlacement::Anywhere].contains(&interleaved.2));

    let topology = NumaTopology::detect();
    assert!(!topology.nodes().is_empty());
    let chosen = NumaAllocator::with_topology(topology.clone());
    assert!(chosen.alloc(64, 8, NumaPlacement::Node(topology.nodes()[0].id)).is_ok());
}

#[test]
fn results_are_shown_by_reference_and_taken_into_a_buffer_that_is_used_again() {
    let mut core = CoreHandle::spawn(CoreConfig::default()).unwrap();
    core.attach(through).unwrap();
    let source = core.source("numbers").unwrap();
    let sent = rows(&numbers(), "+1 | 1 | 2");
    let mut buffer = Vec::with_capacity(4);
    let memory = buffer.as_ptr();
    for round in 1..=6 {
        core.submit(Event::new(source, sent.clone())).unwrap();
        while core.metrics().rows_done < round {
            thread::yield_now();
        }
        let values = |changes: &ChangeBatch| changes.column(0).as_primitive::<Int64Type>().values().as_ptr();
        let same = |changes: &ChangeBatch| assert_eq!(values(changes), values(&sent), "no copy");
        if round % 2 == 0 {
            assert_eq!(core.poll_each(|output| same(output.changes().unwrap())).unwrap(), 1);
        } else {
            assert_eq!(core.poll_into(&mut buffer).unwrap(), 1);
            same(buffer[0].changes().unwrap());
            buffer.clear();
        }
    }
    assert_eq!((buffer.capacity(), buffer.as_ptr()), (4, memory));
}

#[test]
fn streams_are_joined() {
    let (left, right) = (clicks(), clicks());
    for (join_type, shown) in [(JoinType::Inner, 1), (JoinType::Left, 2), (JoinType::Right, 2), (JoinType::Full, 3)] {
        let mut join = StreamJoinOperator::new("user".to_owned(), "user".to_owned(), Duration::from_secs(60), join_type);
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let before = Watermark(10 * MINUTE);
        let mut ctx = OperatorContext::new(StepId(1), 0, before, &mut out, &mut rejected, &mut wake_at);
        let event = rows(&left, "+1 | 00:10 | ada ; +1 | 00:11 | bob ; +1 | 00:09 | eve");
        join.process_side(&event, JoinSide::Left, &mut ctx).unwrap();
        join.process_side(&rows(&right, "+1 | 00:11 | ada ; +1 | 00:12:01 | bob"), JoinSide::Right, &mut ctx).unwrap();
        let net: i64 = out.iter().flat_map(|changes| changes.weights().to_vec(changes.len())).sum();
        assert_eq!((net, rejected.len()), (shown, 1), "{join_type:?}: one row was late");
    }
    let missing = StreamJoinOperator::new("user".to_owned(), "missing".to_owned(), Duration::from_secs(60), JoinType::Inner);
    assert_eq!(missing.with_inputs(left, right).unwrap_err().message(), "there is no column 'missing'");
}

/// B9: bytes into a file through the rings of a core, word for word; where the system refuses them it says so.
#[cfg(target_os = "linux")]
#[test]
fn bytes_go_through_rings_into_files() {
    use std::io::{Seek, SeekFrom, Write};
    use std::os::fd::AsRawFd;

    use laminar_core::io_uring::{
        CoreRingManager, IoUringConfig, IoUringSink, IoUringWal, RegisteredBufferPool, RingMode, probe,
    };

    let config = IoUringConfig::builder()
        .ring_entries(256)
        .enable_sqpoll(100)
        .sqpoll_cpu(0)
        .buffer_size(4096)
        .buffer_count(8)
        .build()
        .unwrap();
    assert_eq!(config.mode(), RingMode::SqPoll);
    assert_eq!(RegisteredBufferPool::new(&config).unwrap().available(), 8);
    if probe().is_err() {
        assert!(CoreRingManager::new(0, &config).unwrap_err().to_string().contains("the system refuses io_uring"));
        return;
    }
    let path = std::env::temp_dir().join(format!("laminar-public-names-{}", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    let mut rings = CoreRingManager::new(0, &config).unwrap();
    let (index, buffer) = rings.acquire_buffer().unwrap();
    buffer[..5].copy_from_slice(b"hello");
    rings.submit_write(file.as_raw_fd(), index, 0, 5).unwrap();
    rings.submit().unwrap();
    let completion = loop {
        if let Some(completion) = rings.poll_completions().unwrap().pop() {
            break completion;
        }
    };
    assert_eq!(completion.result.unwrap(), 5);
    rings.release_buffer(index).unwrap();
    let log = IoUringWal::open(&path, &config).unwrap();
    let end = log.append(b", world").unwrap();
    log.sync_to(end).unwrap();
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    let mut sink = IoUringSink::new(file, &config).unwrap();
    sink.write_all(b"!").unwrap();
    sink.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"hello, world!");
    std::fs::remove_file(path).unwrap();
}
