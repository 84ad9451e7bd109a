//! A core that works: order, credits, lanes, results, timers, places.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::Array;
use laminar_core::dag::{DagBuilder, EmitWhen, Node, SourceSpec};
use laminar_core::time::{ManualClock, Watermark};
use laminar_core::tpc::{CoreConfig, CoreHandle, CoreOutput, Emitted, Event, Lane, LaneBudgets, OverflowStrategy, affinity};
use laminar_core::{ChangeBatch, Code, Result};

use super::standing_core::{Bed, credits, row, rows, values};
use crate::graphs::graph::pairs;

/// A source whose rows are its output.
fn through() -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    dag.output("o", source);
    dag.finish()
}

#[test]
fn rows_come_back_in_order_with_their_steps_and_the_end() {
    let mut core = CoreHandle::spawn(CoreConfig { checked: true, ..CoreConfig::new(5) }).unwrap();
    core.attach(through).unwrap();
    let source = core.source("s").unwrap();
    for x in 0..1000 {
        core.submit(Event::new(source, rows(x * 3..x * 3 + 3))).unwrap();
    }
    core.end(source).unwrap();
    let mut seen: Vec<CoreOutput> = Vec::new();
    core.shutdown(|output| seen.push(output.clone())).unwrap();
    assert_eq!(seen.iter().flat_map(values).collect::<Vec<_>>(), (0..3000).collect::<Vec<_>>());
    assert!(seen.iter().all(|output| output.core == 5) && seen.is_sorted_by_key(|output| output.step));
    assert!(matches!(seen.last().unwrap().emitted, Emitted::Watermark(Watermark::END)));
}

#[test]
fn each_strategy_does_what_it_says_with_rows_without_credit() {
    use OverflowStrategy as S;
    for (strategy, expected, dropped, refused) in [
        (S::Block, vec![1, 2, 3, 4, 5], 0, 0),
        (S::DropNewest, vec![1, 2, 3, 4], 1, 0),
        (S::DropOldest, vec![1, 3, 4, 5, 6], 1, 0),
        (S::Error, vec![1, 2, 3, 4], 0, 1),
    ] {
        let config = CoreConfig { backpressure: credits(4, strategy), ..CoreConfig::new(0) };
        let mut bed = Bed::at_the_door(config);
        for x in 2..=4 {
            bed.submit(x).unwrap();
        }
        assert_eq!((bed.core.available_credits(), bed.core.is_backpressured()), (0, true), "{strategy:?}");
        let door = Arc::clone(&bed.door);
        let opener = thread::Builder::new().spawn(move || {
            thread::sleep(Duration::from_millis(if strategy == S::Block { 10 } else { 100 }));
            door.open();
        });
        let outcome = bed.submit(5);
        if strategy == S::DropOldest {
            // 5 has the place of 1, which is out of the ring; 6 that of 2.
            bed.submit(6).unwrap();
        }
        assert_eq!(outcome.map_err(|error| error.code()), if refused > 0 { Err(Code::LimitReached) } else { Ok(()) });
        opener.unwrap().join().unwrap();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            bed.core.poll_each(|output| seen.extend(values(output))).unwrap();
        }
        assert_eq!(seen, expected, "{strategy:?}");
        while bed.core.metrics().rows_done < expected.len() as u64 {
            thread::yield_now();
        }
        let metrics = bed.core.credit_metrics();
        assert_eq!((metrics.dropped, metrics.refused), (dropped, refused), "{strategy:?}");
        assert_eq!(bed.core.metrics().rows_lost, 0);
        assert_eq!(bed.finish(), [0; 0]);
    }
}

#[test]
fn a_batch_that_is_larger_than_all_credits_goes_through_in_parts_or_is_refused_whole() {
    let config = |strategy| CoreConfig { backpressure: credits(10, strategy), ..CoreConfig::new(0) };
    let mut bed = Bed::new(config(OverflowStrategy::Block));
    bed.door.open();
    bed.core.submit(Event::new(bed.source, rows(0..95))).unwrap();
    assert_eq!(bed.finish(), (0..95).collect::<Vec<_>>());

    let mut bed = Bed::new(config(OverflowStrategy::Error));
    let error = bed.core.submit(Event::new(bed.source, rows(0..11))).unwrap_err();
    assert!(error.to_string().starts_with("LDB-4001: 11 credits at once, where there are 10 in all; hint: send less"), "{error}");
    assert_eq!(bed.finish(), [0; 0]);
}

#[test]
fn a_full_lane_is_treated_as_one_without_credits() {
    for (strategy, expected) in [
        (OverflowStrategy::Block, vec![1, 2, 3, 4, 5]),
        (OverflowStrategy::DropNewest, vec![1, 2, 3]),
        (OverflowStrategy::Error, vec![1, 2, 3]),
    ] {
        let config = CoreConfig { events_max: 2, backpressure: credits(100, strategy), ..CoreConfig::new(0) };
        let mut bed = Bed::at_the_door(config);
        let door = Arc::clone(&bed.door);
        let outcomes: Vec<bool> = (2..=3).map(|x| bed.submit(x).is_ok()).collect();
        assert_eq!(outcomes, [true, true]);
        let opener = thread::Builder::new().spawn(move || {
            thread::sleep(Duration::from_millis(10));
            door.open();
        });
        let outcome = bed.submit(4);
        assert_eq!(outcome.is_err(), strategy == OverflowStrategy::Error);
        if strategy == OverflowStrategy::Block {
            bed.submit(5).unwrap();
        }
        opener.unwrap().join().unwrap();
        let in_use = bed.core.credit_metrics();
        assert_eq!(in_use.dropped, u64::from(strategy == OverflowStrategy::DropNewest));
        assert_eq!(bed.finish(), expected, "{strategy:?}");
    }
}

#[test]
fn the_latency_lane_goes_before_the_main_lane_and_that_before_the_poll_lane() {
    let mut bed = Bed::at_the_door(CoreConfig::new(0));
    for (lane, x) in
        [(Lane::Poll, 30), (Lane::Main, 20), (Lane::Poll, 31), (Lane::Latency, 10), (Lane::Main, 21), (Lane::Latency, 11)]
    {
        bed.core.submit(Event::new(bed.source, row(x)).on(lane)).unwrap();
    }
    assert_eq!(bed.core.credit_metrics_of(Lane::Latency).in_use, 2);
    assert_eq!(bed.finish(), [1, 10, 11, 20, 21, 30, 31]);
}

#[test]
fn a_long_batch_is_cut_so_that_urgent_rows_get_in_between() {
    // A row takes a microsecond of a clock that only the graph moves; a budget is 100 of them.
    let clock = ManualClock::at(0);
    let tick = clock.clone();
    let budgets = LaneBudgets { latency_ns: 100_000, main_ns: 100_000, poll_ns: 100_000 };
    let config = CoreConfig { clock: Arc::new(clock), budgets, ..CoreConfig::new(0) };
    let mut core = CoreHandle::spawn(config).unwrap();
    core.attach(move || {
        let mut dag = DagBuilder::new();
        let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
        let slow = crate::graphs::exprs::expr("slow", arrow_schema::DataType::Int64, move |rows| {
            tick.advance(rows.num_rows() as i64 * 1_000);
            Ok(rows.column(0).clone())
        });
        let projected = dag.project("p", source, vec![("x", slow)]);
        dag.output("o", projected);
        dag.finish()
    })
    .unwrap();
    let source = core.source("s").unwrap();
    core.submit(Event::new(source, rows(0..5_000))).unwrap();
    let mut pieces = Vec::new();
    let mut seen = 0;
    while seen < 5_000 {
        core.poll_each(|output| pieces.extend(output.changes().map(ChangeBatch::len))).unwrap();
        seen = pieces.iter().sum::<usize>();
    }
    assert!(pieces[0] <= 1024 && pieces[6..].iter().all(|rows| *rows <= 100), "{pieces:?}");
    let main = core.metrics();
    core.shutdown(|_| {}).unwrap();
    assert!(main.lane(Lane::Main).overruns > 0 && main.reactor.runs > 0, "{main:?}");
}

#[test]
fn a_core_whose_results_nobody_takes_waits_and_loses_nothing() {
    for strategy in [OverflowStrategy::Block, OverflowStrategy::DropOldest] {
        let config = CoreConfig { results_max: 1, events_max: 4, backpressure: credits(8, strategy), ..CoreConfig::new(0) };
        let mut bed = Bed::new(config);
        bed.door.open();
        for x in 0..300 {
            bed.submit(x).unwrap();
        }
        let dropped = bed.core.credit_metrics().dropped as usize;
        assert!(strategy == OverflowStrategy::DropOldest || dropped == 0);
        let seen = bed.finish();
        assert!(seen.is_sorted() && seen.last() == Some(&299), "{seen:?}");
        assert!(seen.len() + dropped <= 300 && (dropped > 0 || strategy == OverflowStrategy::DropOldest || seen.len() == 300));
    }
}

#[test]
fn a_core_ends_when_its_handle_goes_even_if_nobody_took_its_results() {
    let mut bed = Bed::new(CoreConfig { results_max: 1, ..CoreConfig::new(0) });
    bed.door.open();
    (0..10).for_each(|x| bed.submit(x).unwrap());
    drop(bed);
}

#[test]
fn the_end_of_a_source_comes_behind_its_rows_in_all_lanes() {
    let mut bed = Bed::at_the_door(CoreConfig::new(0));
    bed.core.submit(Event::new(bed.source, row(7)).on(Lane::Poll)).unwrap();
    bed.core.submit(Event::watermark(bed.source, Watermark::END).on(Lane::Latency)).unwrap();
    let error = bed.submit(8).unwrap_err();
    assert_eq!(error.to_string(), "LDB-4002: the source 's' has ended");
    assert_eq!(bed.finish(), [1, 7]);
}

#[test]
fn rows_that_do_not_fit_are_refused_at_once_and_the_core_goes_on() {
    let mut bed = Bed::new(CoreConfig::new(0));
    let other = ChangeBatch::parse(&crate::random::schema(), "+1 | 1 | a | 1.0").unwrap();
    assert_eq!(bed.core.submit(Event::new(bed.source, other)).unwrap_err().code(), Code::TypeMismatch);
    let nobody = bed.core.submit(Event::new(laminar_core::NodeId(99), row(1))).unwrap_err();
    assert_eq!(nobody.hint(), Some("the sources are s"));
    bed.submit(1).unwrap();
    assert_eq!(bed.finish(), [1]);
    let empty = CoreHandle::spawn(CoreConfig::new(0)).unwrap();
    assert_eq!(empty.source("s").unwrap_err().hint(), Some("give the core a graph with `attach`"));
}

#[test]
fn timers_come_due_though_nothing_is_submitted() {
    let mut core = CoreHandle::spawn(CoreConfig::new(0)).unwrap();
    core.attach(|| {
        let mut dag = DagBuilder::new();
        let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
        let held = dag.emit("e", source, EmitWhen::Every(2_000_000));
        dag.output("o", held);
        dag.finish()
    })
    .unwrap();
    core.submit(Event::new(core.source("s").unwrap(), row(4))).unwrap();
    let mut seen = Vec::new();
    while seen.is_empty() {
        core.poll_each(|output| seen.extend(values(output))).unwrap();
        thread::yield_now();
    }
    assert_eq!(seen, [4]);
}

#[test]
fn a_core_stays_where_it_was_put_and_says_where_it_cannot_be() {
    let spawn = |config| CoreHandle::spawn(config).map(|mut core| core.with_reactor(|_| affinity::allowed_cpus()).unwrap());
    let all = affinity::allowed_cpus();
    assert_eq!(spawn(CoreConfig { numa_aware: true, ..CoreConfig::new(0) }).unwrap().is_some(), all.is_some());
    if let Some(cpu) = all.and_then(|cpus| cpus.last().copied()) {
        assert_eq!(spawn(CoreConfig { cpu: Some(cpu), ..CoreConfig::new(0) }).unwrap(), Some(vec![cpu]));
        let error = spawn(CoreConfig { cpu: Some(1023), ..CoreConfig::new(2) }).unwrap_err();
        assert!(error.to_string().starts_with("LDB-3001: core 2: cannot pin the thread to core 1023"), "{error}");
    }
    let mut core = CoreHandle::spawn(CoreConfig::new(7)).unwrap();
    assert_eq!(core.with_reactor(|_| thread::current().name().map(str::to_owned)).unwrap().as_deref(), Some("laminar-core-7"));
    assert!(core.detach(vec![laminar_core::NodeId(3)]).is_err());
}

#[test]
fn one_batch_for_several_readers_is_shared_and_not_copied() {
    let mut core = CoreHandle::spawn(CoreConfig::new(0)).unwrap();
    core.attach(|| {
        let mut dag = DagBuilder::new();
        let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
        dag.output("a", source);
        dag.output("b", source);
        let below = dag.project("p", source, vec![("y", laminar_core::expr::Column::new(&pairs(), 1))]);
        dag.output("c", below);
        dag.finish()
    })
    .unwrap();
    let batch = rows(0..100);
    core.submit(Event::new(core.source("s").unwrap(), batch.clone())).unwrap();
    let mut seen = Vec::new();
    core.shutdown(|output| seen.extend(output.changes().cloned())).unwrap();
    assert_eq!(seen.len(), 3);
    let place = |changes: &ChangeBatch| changes.rows().columns().last().unwrap().to_data().buffers()[0].as_ptr();
    for changes in &seen {
        assert_eq!(place(changes), place(&batch), "the column that was submitted, not a copy");
    }
}
