//! Backfills: the rows with which a view or an index begins are computed in pieces, between which others have their turns.
//!
//! The nodes of the query run apart from all others, behind *feeds*, sources that stand for what it reads. A feed gives the rows that were stored when the
//! backfill began, and then what has changed since. When little of that is left, the statement takes the nodes over: in one step they have all, and from
//! the next one on they read the objects themselves. Until then nobody sees them, and if the statement fails or the catalog changes they are taken out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laminar_core::dag::{GraphHost, Node, NodeKind, NodeStatus, Outlet, OutletId, SourceSpec, explain_node, takes_pieces};
use laminar_core::limits::{BACKFILL_ROWS_MIN, STEP_ROWS_MAX};
use laminar_core::operator::RejectedRows;
use laminar_core::reactor::RejectedRowsHandler;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Error, NodeId, Result, StepId};
use laminar_sql::lower::Fragment;
use laminar_sql::parse::StreamQuery;
use laminar_sql::plan::Purpose;

use super::Engine;
use super::attach::Attached;
use crate::catalog::{ObjectId, ObjectKind, objects_in, reads_changes};

/// Rejected rows that wait for their object at most; where there are more, the object is made at once.
const REJECTED_ROWS_MAX: usize = 1 << 16;

/// Which backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BackfillId(u64);

/// A query whose first rows are computed.
pub(crate) struct Backfill {
    id: BackfillId,
    /// What the object will be called.
    name: String,
    /// The statement.
    text: String,
    attached: Attached,
    feeds: Vec<Feed>,
    rejected: Rejected,
    /// Rows that were stored when it began.
    stored: usize,
}

/// Stands for an object that the query reads. They stand in the order in which the query names them.
struct Feed {
    input: NodeId,
    source: NodeId,
    outlet: OutletId,
    /// Rows that were stored when the backfill began, as far as they are to be given yet.
    stored: VecDeque<ChangeBatch>,
    /// What steps have changed since.
    since: Since,
}

/// How far a backfill is.
pub(crate) struct BackfillProgress<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ObjectKind,
    /// Of the rows that were stored when it began, those that it has.
    pub(crate) done: usize,
    pub(crate) stored: usize,
}

impl Backfill {
    fn is_of(&self, name: &str, text: &str) -> bool {
        self.name == name && self.text == text
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.attached.fragment.nodes.iter().map(|node| node.id)
    }

    /// Rows that it has not been given.
    fn left(&self) -> usize {
        self.feeds.iter().map(|feed| rows_in(&feed.stored) + rows_in(&feed.since.lock().changes)).sum()
    }

    /// Whether what it has is worth nothing: something that it reads is gone, or rows are rejected that may not be in the whole, or more than can wait for
    /// their object.
    fn is_in_vain(&self) -> bool {
        self.rejected.by_halves
            || self.rejected.rows > REJECTED_ROWS_MAX
            || self.feeds.iter().any(|feed| feed.since.lock().is_gone)
    }

    /// What it is given next, at most about so many rows. What is read last comes first: the rows of an outer join then meet their partners at once.
    fn next(&mut self, rows_max: usize) -> Option<(NodeId, ChangeBatch)> {
        let stored = self.feeds.iter_mut().rev().find_map(|feed| Some((feed.source, take(&mut feed.stored, rows_max)?)));
        let since = |feed: &mut Feed| Some((feed.source, take(&mut feed.since.lock().changes, rows_max)?));
        stored.or_else(|| self.feeds.iter_mut().find_map(since))
    }

    fn progress(&self) -> BackfillProgress<'_> {
        let left: usize = self.feeds.iter().map(|feed| rows_in(&feed.stored)).sum();
        let is_index = self.attached.fragment.nodes.iter().any(|node| matches!(node.kind, NodeKind::Index(_)));
        let kind = if is_index { ObjectKind::Index } else { ObjectKind::MaterializedView };
        BackfillProgress { name: &self.name, kind, done: self.stored - left, stored: self.stored }
    }
}

impl Engine {
    /// Begins to compute the rows of the materialized view `name` that a statement is about to make; `None` if that is done with the statement: where it reads few
    /// rows, or others than stored ones, where pieces would cost more than the whole, and on several workers, since how rows are spread there depends on
    /// where they come from. What is wrong with the statement it says itself.
    pub(crate) fn begin_backfill(&mut self, name: &str, query: &StreamQuery, text: &str) -> Result<Option<BackfillId>> {
        let says_when = query.emit.is_some() || query.late_to.is_some();
        if self.settings.workers > 1 || says_when || reads_changes(query, &self.catalog) {
            return Ok(None);
        }
        let inputs = objects_in(query, &self.catalog);
        let outputs = self.catalog.with_inlined(&inputs).into_iter().filter_map(|input| self.instances.output(input)).collect();
        if self.forgetful_input(query, &inputs).is_some() || self.stored_rows(outputs)? < BACKFILL_ROWS_MIN {
            return Ok(None);
        }
        match self.and_nothing_more(|engine| engine.lowered(name, query, text, Purpose::View)) {
            Ok(attached) => self.begin_backfill_of(name, text, attached),
            Err(_) => Ok(None),
        }
    }

    /// The same for nodes that a statement is about to put into the graph, all of whose rows are stored in what they read.
    pub(crate) fn begin_backfill_of(&mut self, name: &str, text: &str, attached: Attached) -> Result<Option<BackfillId>> {
        let reads = attached.fragment.reads.clone();
        if self.settings.workers > 1 || self.stored_rows(reads)? < BACKFILL_ROWS_MIN {
            return Ok(None);
        }
        let graph = self.reactor.graph();
        // What has a time that follows a watermark depends on when rows come.
        let is_timeless = |input: &NodeId| graph.properties(*input).is_some_and(|edge| edge.time_columns.is_empty());
        let can_begin = |input: &NodeId| is_timeless(input) && graph.contents(*input).is_some();
        if !takes_pieces(&attached.fragment.nodes) || !attached.fragment.reads.iter().all(can_begin) {
            return Ok(None);
        }
        self.settle()?;
        self.run_apart(name, text, attached).map(Some)
    }

    /// How many rows these nodes store.
    fn stored_rows(&mut self, nodes: Vec<NodeId>) -> Result<usize> {
        nodes.into_iter().map(|node| Ok(self.reactor.graph_mut().metrics(node)?.state_rows)).sum()
    }

    /// Puts the nodes of a query into the graph, behind feeds.
    fn run_apart(&mut self, name: &str, text: &str, attached: Attached) -> Result<BackfillId> {
        let mut inputs: Vec<NodeId> = Vec::new();
        for input in &attached.fragment.reads {
            if !inputs.contains(input) {
                inputs.push(*input);
            }
        }
        let first = attached.fragment.nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or_default();
        let sources: BTreeMap<NodeId, NodeId> = inputs.iter().copied().zip((first..).map(NodeId)).collect();
        let mut nodes = Vec::with_capacity(sources.len() + attached.fragment.nodes.len());
        for (input, source) in &sources {
            let output = self.reactor.graph().properties(*input).cloned();
            let output = output.ok_or_else(|| Error::internal(format!("there is no node {input}")))?;
            let kind = NodeKind::Source(SourceSpec::TABLE);
            nodes.push(Node { id: *source, name: name.to_owned(), kind, inputs: Vec::new(), output });
        }
        nodes.extend(attached.fragment.nodes.iter().cloned().map(|node| behind_feeds(node, &sources)));
        self.attach_nodes(ObjectId::UNNAMED, nodes)?;
        let mut feeds = Vec::with_capacity(sources.len());
        for input in inputs {
            let source = sources[&input];
            let since = Since::default();
            let outlet = self.reactor.subscribe(input, Box::new(since.clone()), false)?;
            let stored = VecDeque::from(self.reactor.graph().stored_rows(input)?);
            feeds.push(Feed { input, source, outlet, stored, since });
        }
        self.backfills_begun += 1;
        let id = BackfillId(self.backfills_begun);
        let stored = feeds.iter().map(|feed| rows_in(&feed.stored)).sum();
        let (name, text) = (name.to_owned(), text.to_owned());
        self.backfills.push(Backfill { id, name, text, attached, feeds, rejected: Rejected::default(), stored });
        Ok(id)
    }

    /// One piece of a backfill; how many rows it has not been given yet. `None`: it does not go on.
    pub(crate) fn continue_backfill(&mut self, id: BackfillId, rows_max: usize) -> Result<Option<usize>> {
        let Some(at) = self.backfills.iter().position(|backfill| backfill.id == id) else { return Ok(None) };
        self.give_piece(at, rows_max)?;
        let backfill = &self.backfills[at];
        Ok((!self.is_in_vain(backfill)).then(|| backfill.left()))
    }

    fn is_in_vain(&self, backfill: &Backfill) -> bool {
        let status = self.reactor.graph().status(backfill.attached.fragment.root);
        backfill.is_in_vain() || status.map_or(true, |status| matches!(status, NodeStatus::Failed(_)))
    }

    /// A step over what comes next of the backfill at this place.
    fn give_piece(&mut self, at: usize, rows_max: usize) -> Result<()> {
        let backfill = &mut self.backfills[at];
        let mut rows_left = rows_max;
        while rows_left > 0
            && let Some((source, changes)) = backfill.next(rows_left)
        {
            rows_left -= changes.len();
            self.reactor.push(source, changes)?;
        }
        let root = backfill.attached.fragment.root;
        self.reactor.poll_component_of(root, &mut backfill.rejected).map(|_| ())
    }

    /// Takes a backfill out, unless a statement has taken it over.
    pub(crate) fn end_backfill(&mut self, id: BackfillId) -> Result<()> {
        let Some(at) = self.backfills.iter().position(|backfill| backfill.id == id) else { return Ok(()) };
        let backfill = self.backfills.remove(at);
        self.detach_outlets(&backfill.feeds);
        let nodes: Vec<NodeId> = backfill.nodes().chain(backfill.feeds.iter().map(|feed| feed.source)).collect();
        self.detach_nodes(&nodes)
    }

    /// How far all are.
    pub(crate) fn backfills(&self) -> impl Iterator<Item = BackfillProgress<'_>> {
        self.backfills.iter().map(Backfill::progress)
    }

    /// The backfill for this statement, if what it has computed is what the statement makes now: other statements may have come between.
    pub(crate) fn backfill_of(&self, name: &str, text: &str, attached: &Attached) -> Option<BackfillId> {
        let backfill = self.backfills.iter().find(|backfill| backfill.is_of(name, text))?;
        let same = self.is_same(&backfill.attached.fragment, &attached.fragment);
        (same && self.settings.workers == 1 && !self.is_in_vain(backfill)).then_some(backfill.id)
    }

    /// Whether two fragments do the same over the same nodes: what a node does is compared as text, as it is when a directory is opened.
    fn is_same(&self, one: &Fragment, other: &Fragment) -> bool {
        let does = |node: &Node, fragment: &Fragment| {
            let edge = |input: &NodeId| match place_in(fragment, *input) {
                Some(place) => Some(&fragment.nodes[place].output),
                None => self.reactor.graph().properties(*input),
            };
            explain_node(node, &node.inputs.iter().filter_map(edge).map(|edge| &edge.schema).collect::<Vec<_>>())
        };
        let same_input = |(a, b): (&NodeId, &NodeId)| match (place_in(one, *a), place_in(other, *b)) {
            (None, None) => a == b,
            (a, b) => a == b,
        };
        let same_node = |(a, b): (&Node, &Node)| {
            a.inputs.len() == b.inputs.len()
                && a.inputs.iter().zip(&b.inputs).all(same_input)
                && a.output == b.output
                && does(a, one) == does(b, other)
        };
        one.nodes.len() == other.nodes.len() && one.nodes.iter().zip(&other.nodes).all(same_node)
    }

    /// Lets what was backfilled go on as the query of an object: gives it what has changed last, and then what it reads itself. Gives the query, and what it
    /// has rejected.
    pub(crate) fn take_over(&mut self, id: BackfillId, object: ObjectId) -> Result<(Attached, Vec<(NodeId, RejectedRows)>)> {
        self.settle()?;
        let at = self.backfills.iter().position(|backfill| backfill.id == id);
        let at = at.ok_or_else(|| Error::internal("a backfill is gone"))?;
        while self.backfills[at].left() > 0 {
            self.give_piece(at, STEP_ROWS_MAX)?;
        }
        let backfill = &self.backfills[at];
        let sources: Vec<NodeId> = backfill.feeds.iter().map(|feed| feed.source).collect();
        let reads: Vec<NodeId> = backfill.feeds.iter().map(|feed| feed.input).collect();
        let nodes = backfill.attached.fragment.nodes.iter().filter(|node| node.inputs.iter().any(|input| reads.contains(input)));
        let inputs = nodes.map(|node| (node.id, node.inputs.clone())).collect();
        self.reactor.reconnect(&inputs, &sources)?;
        let backfill = self.backfills.remove(at);
        self.detach_outlets(&backfill.feeds);
        self.side_outputs.disown(&sources);
        self.own_attached(object, backfill.nodes().collect(), reads)?;
        Ok((backfill.attached, backfill.rejected.of_nodes))
    }

    fn detach_outlets(&mut self, feeds: &[Feed]) {
        for feed in feeds {
            self.reactor.graph_mut().detach_outlet(feed.outlet);
        }
    }
}

/// The node, which reads from the feeds of its inputs.
fn behind_feeds(node: Node, sources: &BTreeMap<NodeId, NodeId>) -> Node {
    let inputs = node.inputs.iter().map(|input| sources.get(input).copied().unwrap_or(*input)).collect();
    Node { inputs, ..node }
}

fn rows_in(batches: &VecDeque<ChangeBatch>) -> usize {
    batches.iter().map(ChangeBatch::len).sum()
}

/// The first rows, at most so many.
fn take(batches: &mut VecDeque<ChangeBatch>, rows_max: usize) -> Option<ChangeBatch> {
    while batches.pop_front_if(|first| first.is_empty()).is_some() {}
    let first = batches.front_mut()?;
    if first.len() <= rows_max {
        return batches.pop_front();
    }
    let rest = first.slice(rows_max, first.len() - rows_max);
    let piece = first.slice(0, rows_max);
    *first = rest;
    Some(piece)
}

fn place_in(fragment: &Fragment, id: NodeId) -> Option<usize> {
    fragment.nodes.iter().position(|node| node.id == id)
}

/// What steps have changed in an object.
#[derive(Clone, Default)]
struct Since(Arc<Mutex<Changed>>);

#[derive(Default)]
struct Changed {
    changes: VecDeque<ChangeBatch>,
    /// The object was dropped, or has failed.
    is_gone: bool,
}

impl Since {
    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Since {
    fn deliver(&mut self, _: StepId, changes: &[ChangeBatch], _: Watermark, _: i64) {
        self.lock().changes.extend(changes.iter().cloned());
    }

    fn failed(&mut self, _: &Error) {
        self.lock().is_gone = true;
    }
}

/// What the nodes of a backfill reject, until the object is there whose rows these are.
#[derive(Default)]
struct Rejected {
    of_nodes: Vec<(NodeId, RejectedRows)>,
    rows: usize,
    /// Half of a sum may be out of range, and rows of a join may meet that were never there together.
    by_halves: bool,
}

impl RejectedRowsHandler for Rejected {
    fn handle(&mut self, graph: &GraphHost, rejected: Vec<(NodeId, RejectedRows)>) -> Result<Vec<(NodeId, ChangeBatch)>> {
        let sees_halves = |node: &Node| matches!(node.kind, NodeKind::Join(_) | NodeKind::Aggregate(_));
        let of_rejected = |node: &&Node| rejected.iter().any(|(id, _)| *id == node.id);
        self.by_halves |= graph.nodes().filter(of_rejected).any(sees_halves);
        self.rows += rejected.iter().map(|(_, rows)| rows.reasons.len()).sum::<usize>();
        self.of_nodes.extend(rejected);
        Ok(Vec::new())
    }

    fn refused(&mut self, _: NodeId, _: &ChangeBatch, error: Error) -> Result<()> {
        Err(error)
    }
}
