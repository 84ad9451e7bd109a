//! `EXPLAIN WHY`: what of the facts keeps an object from showing (new) rows, most important first.
//!
//! Findings are made from [`Facts`] alone. A row that is not shown was stopped somewhere on its way, so the nodes are looked at from the
//! sources on: the first that lets nothing through is what to look at.

use laminar_core::Result;
use laminar_core::dag::{DueWindow, EmitWhen, Holds, JoinType, NodeKind, NodeStatus};
use laminar_core::time::{EventTime, Length, Watermark};

use super::super::{StatementOutcome, text_rows};
use super::facts::{Facts, NodeFacts, SourceFacts};
use crate::catalog::{Definition, ObjectId};
use crate::engine::{Engine, LookupWaits, ReaderState};

/// Something that is worth to be known: where, what, and what can be done.
struct Finding {
    at: String,
    what: String,
    advice: String,
}

impl Finding {
    fn new(at: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into(), advice: advice.into() }
    }
}

/// Silence of less than a second is none.
const SILENT_NS: i64 = 1_000_000_000;

pub(super) fn run(engine: &mut Engine, id: ObjectId) -> Result<StatementOutcome> {
    let findings = match engine.catalog.object(id).map(|object| &object.definition) {
        Some(Definition::View(_)) => vec![of_view(engine, id)],
        _ => findings(&Facts::of(engine, id)?),
    };
    let rows = findings.into_iter().map(|Finding { at, what, advice }| vec![at, what, advice]);
    text_rows(&["at", "finding", "what_to_do"], rows.collect())
}

fn of_view(engine: &Engine, id: ObjectId) -> Finding {
    let readers = engine.catalog.names_of(&engine.catalog.dependants(id)).join(", ");
    let advice = match readers.is_empty() {
        true => "nothing reads it: CREATE MATERIALIZED VIEW runs a query".to_owned(),
        false => format!("EXPLAIN WHY what reads it: {readers}"),
    };
    Finding::new(super::called(engine, id), "a view does not run by itself: its query is put in wherever it is named", advice)
}

/// All findings, the most important first; never none.
fn findings(facts: &Facts) -> Vec<Finding> {
    if facts.nodes.is_empty() {
        let advice = "CREATE a stream, view or sink that reads from it; a sink for late rows gets some by LATE DATA TO";
        return vec![Finding::new(&facts.called, "nothing runs for it: no query reads from it or writes into it", advice)];
    }
    let mut findings = failures(facts);
    findings.extend(held(facts));
    findings.extend(facts.sources.iter().filter_map(|source| without_rows(facts, source)));
    findings.extend(facts.nodes.iter().filter_map(|node| lets_nothing_through(facts, node)));
    findings.extend(facts.nodes.iter().filter_map(|node| waits(facts, node)));
    findings.extend(facts.nodes.iter().filter_map(limit_reached));
    findings.extend(facts.nodes.iter().filter_map(|node| rejected(facts, node)));
    let is_explained = !findings.is_empty();
    findings.extend(facts.sources.iter().filter_map(|source| ended(facts, source)));
    if !is_explained {
        findings.extend(facts.sources.iter().filter_map(|source| silent(facts, source)));
    }
    findings.push(shown(facts, is_explained));
    findings
}

/// Nodes that failed by themselves, connectors that cannot be read or written.
fn failures(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &facts.sources {
        if let Some(ReaderState::Failed(error)) = source.reader.as_ref().map(|reader| &reader.state) {
            let advice =
                "its rows up to there are in the views; mend the cause, then DROP and CREATE the source and what reads it";
            found.push(Finding::new(&source.called, format!("cannot be read any more: {error}"), advice));
        }
    }
    let failed = |node: &&NodeFacts| matches!(node.status, NodeStatus::Failed(_));
    let inherits = |node: &&NodeFacts| node.inputs.iter().filter_map(|id| facts.node(*id)).any(|input| failed(&input));
    for node in facts.nodes.iter().filter(failed).filter(|node| !inherits(node)) {
        if let NodeStatus::Failed(error) = &node.status {
            let advice = format!("nothing comes out of it any more: DROP and CREATE '{}' once the cause is gone", node.object);
            found.push(Finding::new(place(node), format!("failed: {error}"), advice));
        }
    }
    if let Some(error) = &facts.sink_failed {
        let what = format!("cannot write any more: {error}");
        found.push(Finding::new(&facts.called, what, "mend the cause, then DROP and CREATE the sink"));
    }
    found
}

/// Readers that hold back what feeds the object, and sources that wait for others.
fn held(facts: &Facts) -> Vec<Finding> {
    let by_reader = facts.held_by.iter().map(|(name, steps)| {
        let what = format!("is held back by a subscription to '{name}': {steps} steps wait to be read");
        let advice =
            "read the subscription or drop it; or subscribe with slow_reader fail or drop_oldest, which hold nothing back";
        Finding::new(&facts.called, what, advice)
    });
    let by_source = facts.sources.iter().filter_map(|source| {
        let slowest = source.waits_for.as_ref()?;
        let what = format!("is not read for now: its watermark is too far ahead of '{slowest}' in its alignment group");
        let advice = format!("EXPLAIN WHY {slowest} tells what that one waits for; or raise max_drift");
        Some(Finding::new(&source.called, what, advice))
    });
    by_reader.chain(by_source).collect()
}

/// Sources and tables of which no row has come.
fn without_rows(facts: &Facts, source: &SourceFacts) -> Option<Finding> {
    let node = facts.node(source.node)?;
    // Of a lookup table it is told by what waits for it.
    if node.metrics.rows_in > 0 || source.is_lookup || matches!(node.kind, NodeKind::Constant(_)) {
        return None;
    }
    let Some(reader) = &source.reader else {
        let what = if source.is_table { "is empty: no row was ever inserted" } else { "no row has come: programs push its rows" };
        let advice = format!("INSERT INTO {} …", source.name);
        return Some(Finding::new(&source.called, what, advice));
    };
    let bad = match reader.bad {
        0 => String::new(),
        bad => format!(", and {bad} rows could not be read (SELECT * FROM {}$errors)", source.name),
    };
    Some(match &reader.state {
        ReaderState::Ended => {
            let what = format!("was read to its end ({}) without a row{bad}", reader.position);
            Finding::new(&source.called, what, "look at its path, format and columns: SHOW CREATE tells them")
        }
        ReaderState::Fresh => {
            Finding::new(&source.called, "was not asked for a row yet", "the database must be driven: run, or hosted()")
        }
        ReaderState::Reading => {
            let what = format!("has brought no row yet; its reader stands at {}{bad}", reader.position);
            Finding::new(&source.called, what, "wait for its producer, or look at its options: SHOW CREATE tells them")
        }
        ReaderState::Failed(_) => return None,
    })
}

/// A node into which rows came and out of which none went.
fn lets_nothing_through(facts: &Facts, node: &NodeFacts) -> Option<Finding> {
    let metrics = &node.metrics;
    if metrics.rows_in == 0 || metrics.rows_out > 0 || matches!(node.status, NodeStatus::Failed(_)) {
        return None;
    }
    let (came, lost) = (rows(metrics.rows_in), metrics.late + metrics.errors);
    match &node.kind {
        NodeKind::Compute(spec) if spec.filter.is_some() && metrics.errors < metrics.rows_in => {
            let what = format!("{came} came in, and the condition was true for none: {}", node.text);
            let advice = "compare the condition with the rows of its input; what is compared with NULL is never true";
            Some(Finding::new(place(node), what, advice))
        }
        NodeKind::TemporalFilter(_) if metrics.errors < metrics.rows_in => Some(waits_for_time(facts, node)),
        NodeKind::Limit(spec) if spec.skip >= metrics.rows_in => Some(skipped(node, spec.skip)),
        NodeKind::TopN(spec) if u64::try_from(spec.offset).is_ok_and(|offset| offset >= metrics.rows_in) => {
            Some(skipped(node, spec.offset.unsigned_abs()))
        }
        // What its rows wait for is told by itself.
        NodeKind::Join(_) if node.lookup.is_some() => None,
        NodeKind::Join(spec) => Some(join_without_match(facts, node, spec.join_type)),
        // What they hold is told by itself.
        _ if lost == metrics.rows_in => {
            let what = format!("{came} came in, and all were rejected: {}", lost_rows(facts, node));
            Some(Finding::new(place(node), what, reading_rejected(facts, node)))
        }
        _ => None,
    }
}

fn waits_for_time(facts: &Facts, node: &NodeFacts) -> Finding {
    let came = rows(node.metrics.rows_in);
    match node.waits.wake_at.filter(|_| node.metrics.state_rows > 0) {
        Some(at) => {
            let left = span(at.saturating_sub(facts.now));
            let what = format!("{came} came in, and the time of none has come: {}; the next is looked at in {left}", node.text);
            Finding::new(place(node), what, "wait, or compare the times of its input with now(), which is in UTC")
        }
        None => {
            let what = format!("{came} came in, and the time of all was over: {}", node.text);
            Finding::new(place(node), what, "compare the times of its input with now(), which is in UTC")
        }
    }
}

fn skipped(node: &NodeFacts, offset: u64) -> Finding {
    let what = format!("OFFSET {offset} leaves out the first rows, and only {} came", rows(node.metrics.rows_in));
    Finding::new(place(node), what, "a smaller OFFSET, or more rows")
}

fn join_without_match(facts: &Facts, node: &NodeFacts, join_type: JoinType) -> Finding {
    let right = node.metrics.rows_in_right;
    let left = node.metrics.rows_in - right;
    let side = |port: usize| {
        let input = node.inputs.get(port).and_then(|id| facts.node(*id));
        input.map_or_else(|| "its input".to_owned(), |input| input.object.clone())
    };
    let (left_name, right_name) = (side(0), side(1));
    let what = match (left, right) {
        (_, 0) => format!("{} on the left ({left_name}), none on the right ({right_name}): nothing can match", rows(left)),
        (0, _) => format!("no row on the left ({left_name}), {} on the right ({right_name}): nothing can match", rows(right)),
        _ => {
            let (left, right) = (rows(left), rows(right));
            format!(
                "{left} on the left ({left_name}) and {right} on the right ({right_name}), and no pair matches: {}",
                node.text
            )
        }
    };
    let advice = match (left, right, join_type) {
        (0, ..) => format!("EXPLAIN WHY {left_name}"),
        (_, 0, _) => format!("EXPLAIN WHY {right_name}; LEFT JOIN shows rows without a partner too"),
        (.., JoinType::LeftAnti | JoinType::RightAnti) => {
            "every row has a partner, so that NOT EXISTS or NOT IN shows none".to_owned()
        }
        _ => "compare some keys of both sides: their case, spaces, units and NULLs".to_owned(),
    };
    Finding::new(place(node), what, advice)
}

/// Rows that a node rejected, if some went through.
fn rejected(facts: &Facts, node: &NodeFacts) -> Option<Finding> {
    let metrics = &node.metrics;
    if metrics.late + metrics.errors == 0 {
        return None;
    }
    let is_told = metrics.late + metrics.errors == metrics.rows_in && metrics.rows_out == 0 && !node.inputs.is_empty();
    if is_told {
        return None;
    }
    let what = format!("{} came in, rejected of these: {}", rows(metrics.rows_in), lost_rows(facts, node));
    Some(Finding::new(place(node), what, reading_rejected(facts, node)))
}

/// Why rows were rejected. A source knows those without event time, and windows reject them too.
fn lost_rows(facts: &Facts, node: &NodeFacts) -> String {
    let late = match (node.metrics.late, node.inputs.is_empty(), has_untimed(facts)) {
        (0, ..) => None,
        (late, true, _) => Some(format!("{late} without event time: they belong to no window")),
        (late, false, true) => Some(format!("{late} late or without event time")),
        (late, false, false) => Some(format!("{late} late: their windows had closed")),
    };
    let errors = (node.metrics.errors > 0).then(|| format!("{} in error", node.metrics.errors));
    late.into_iter().chain(errors).collect::<Vec<_>>().join("; ")
}

fn has_untimed(facts: &Facts) -> bool {
    facts.nodes.iter().any(|node| node.inputs.is_empty() && node.metrics.late > 0)
}

fn reading_rejected(facts: &Facts, node: &NodeFacts) -> String {
    let name = &node.object;
    match (node.metrics.late, node.inputs.is_empty(), has_untimed(facts)) {
        (0, ..) => format!("SELECT * FROM {name}$errors"),
        (_, true, _) => format!("SELECT * FROM {name}$late; WHERE … IS NOT NULL in what sends them, or a default"),
        (_, false, true) => {
            format!("SELECT * FROM {name}$late shows those that were late, $late of the source those without event time")
        }
        (..) => format!("SELECT * FROM {name}$late; a longer delay of the WATERMARK or ALLOW LATENESS lets them in"),
    }
}

/// What a node holds until something comes.
fn waits(facts: &Facts, node: &NodeFacts) -> Option<Finding> {
    if let Some(LookupWaits { rows: waiting, table, keys }) = &node.lookup {
        let (keys, s) = (*keys, if *keys == 1 { "" } else { "s" });
        let what = format!("{} wait for {keys} key{s} of {table}", rows(*waiting));
        let advice = format!("SHOW LOOKUP TABLES and SHOW JOBS tell whether {table} answers, and if not, since when and why");
        return Some(Finding::new(place(node), what, advice));
    }
    match (&node.kind, node.waits.window) {
        (NodeKind::Window(_) | NodeKind::Session(_), Some(window)) => Some(waits_for_close(facts, node, window)),
        (NodeKind::Emit(spec), _) if node.metrics.state_rows > 0 => {
            let held = rows(node.metrics.state_rows as u64);
            Some(match (spec.when, node.waits.wake_at) {
                (EmitWhen::Every(every), Some(at)) => {
                    let (every, left) = (Length::Nanos(every), span(at.saturating_sub(facts.now)));
                    Finding::new(
                        place(node),
                        format!("EMIT EVERY {every} holds {held} back for another {left}"),
                        "wait, or choose a shorter interval",
                    )
                }
                _ => {
                    let open: Vec<&str> =
                        facts.sources.iter().filter(|source| is_open(facts, source)).map(|s| s.called.as_str()).collect();
                    let what = format!("EMIT FINAL holds {held} back until all inputs have ended: {} has not", open.join(", "));
                    Finding::new(place(node), what, "EMIT EVERY or EMIT CHANGES shows rows before that")
                }
            })
        }
        _ => None,
    }
}

/// `the next window …`, what it waits for and who holds that up.
fn waits_for_close(facts: &Facts, node: &NodeFacts, window: DueWindow) -> Finding {
    let (start, end, at) = (EventTime(window.start), EventTime(window.end), EventTime(window.at));
    let stands = match node.waits.watermark {
        Watermark::START => "there is no watermark yet".to_owned(),
        watermark => format!("it stands at {watermark}"),
    };
    let what = format!("the next window, {start} .. {end}, is shown when the watermark reaches {at}; {stands}");
    let Some(holder) = facts.holder(node) else {
        return Finding::new(place(node), what, "send a row with a later event time");
    };
    let source = facts.source_at(holder.id);
    let called = source.map_or(holder.object.as_str(), |source| source.called.as_str());
    let moved = holder.metrics.watermark_at.map(|at| facts.now.saturating_sub(at)).filter(|still| *still >= SILENT_NS);
    let moved = moved.map(|still| format!(", and has not moved for {}", span(still))).unwrap_or_default();
    let silence = match holder.metrics.rows_at.map(|at| facts.now.saturating_sub(at)) {
        None => ", which has sent no row".to_owned(),
        Some(silence) if silence >= SILENT_NS => format!(", silent for {}", span(silence)),
        Some(_) => String::new(),
    };
    let what = format!("{what}{moved}, held by {called}{silence}");
    let advice =
        format!("send a row with a later event time into {}{}; or EMIT CHANGES", holder.object, idle(facts, holder, source));
    Finding::new(place(node), what, advice)
}

/// What silence does to the watermark of a source.
fn idle(facts: &Facts, holder: &NodeFacts, source: Option<&SourceFacts>) -> String {
    let silence = holder.metrics.rows_at.map(|at| facts.now.saturating_sub(at));
    match (source.and_then(|source| source.idle_timeout), silence) {
        _ if holder.waits.holds != Holds::Time => String::new(),
        (None, _) => ", or SET idle_timeout before it is created: it holds others back for ever".to_owned(),
        (Some(timeout), None) => {
            format!(", or wait: after {} without a row it no longer holds others back (idle_timeout)", Length::Nanos(timeout))
        }
        (Some(timeout), Some(silence)) if silence >= timeout => {
            ", or wait: while it is silent its watermark moves on with the clock (idle_timeout)".to_owned()
        }
        (Some(timeout), Some(_)) => {
            format!(", or wait: after {} of silence its watermark moves on with the clock (idle_timeout)", Length::Nanos(timeout))
        }
    }
}

fn limit_reached(node: &NodeFacts) -> Option<Finding> {
    let NodeKind::Limit(spec) = &node.kind else { return None };
    let fetch = spec.fetch.filter(|fetch| node.metrics.rows_out >= *fetch)?;
    let what = format!("LIMIT {fetch} is reached: of {} that came it shows no more", rows(node.metrics.rows_in));
    Some(Finding::new(place(node), what, "a higher LIMIT, or ORDER BY … LIMIT, which shows the first of all"))
}

fn is_open(facts: &Facts, source: &SourceFacts) -> bool {
    !source.is_table && facts.node(source.node).is_some_and(|node| node.status == NodeStatus::Running)
}

/// A source that has ended after some rows.
fn ended(facts: &Facts, source: &SourceFacts) -> Option<Finding> {
    let node = facts.node(source.node).filter(|node| node.status == NodeStatus::Ended && node.metrics.rows_in > 0)?;
    let what = format!("has ended after {}: nothing new will come from it", rows(node.metrics.rows_in));
    Some(Finding::new(&source.called, what, ""))
}

/// A source from which rows have come, but not lately.
fn silent(facts: &Facts, source: &SourceFacts) -> Option<Finding> {
    let node = facts.node(source.node).filter(|_| is_open(facts, source))?;
    let silence = facts.now.saturating_sub(node.metrics.rows_at?);
    let what = format!("has been silent for {}, after {}", span(silence), rows(node.metrics.rows_in));
    (silence >= SILENT_NS).then(|| Finding::new(&source.called, what, "look at what sends its rows"))
}

/// What the object has shown so far.
fn shown(facts: &Facts, is_explained: bool) -> Finding {
    let came: u64 = facts.sources.iter().filter_map(|source| facts.node(source.node)).map(|node| node.metrics.rows_in).sum();
    let out = facts.written.or_else(|| facts.nodes.last().map(|node| node.metrics.rows_out)).unwrap_or(0);
    let stored = match facts.stored_rows {
        Some(0) if out > 0 => ", and all rows were taken back again".to_owned(),
        Some(stored) => format!(", {stored} stand in it now"),
        None => String::new(),
    };
    let begun = if is_explained { "" } else { "nothing is wrong: " };
    let what = format!("{begun}{} came in from its sources, {} went out{stored}", rows(came), changes(out));
    Finding::new(&facts.called, what, format!("EXPLAIN ANALYZE {} tells it for each operator", facts.name))
}

/// `bars: window`.
fn place(node: &NodeFacts) -> String {
    format!("{}: {}", node.object, node.kind.name())
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

/// A length of time without what is less than a millisecond.
fn span(nanos: i64) -> Length {
    let unit = if nanos.abs() >= 10_000_000_000 { 1_000_000_000 } else { 1_000_000 };
    Length::Nanos(nanos / unit * unit)
}
