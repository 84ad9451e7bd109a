//! What every object rejected: counts, the newest rows, and what has come since it was passed on last.

use std::collections::BTreeMap;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use laminar_connectors::BadRow;
use laminar_core::dag::{GraphHost, Node, NodeKind};
use laminar_core::limits::SIDE_BYTES_MAX;
use laminar_core::operator::{RejectReason, RejectedRows};
use laminar_core::reactor::RejectedRowsHandler;
use laminar_core::time::event_time::to_nanos;
use laminar_core::{ChangeBatch, Error, NodeId, Result};

use super::bad_rows::{as_bad_rows, bad_rows, error_schema, error_table};
use super::kept_rows::KeptRows;
use super::late_rows::LateColumns;
use super::stream::SideStream;
use super::target::LateTarget;
use crate::catalog::{ObjectId, Side, SideId};

/// What was rejected, by object.
pub(crate) struct SideOutputs {
    pub(super) objects: BTreeMap<ObjectId, ObjectSideOutputs>,
    /// The object of each node; those of queries without a name have none.
    owners: BTreeMap<NodeId, ObjectId>,
    /// Bytes that the rows of one object on one side may take.
    bytes_max: usize,
}

impl Default for SideOutputs {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), owners: BTreeMap::new(), bytes_max: SIDE_BYTES_MAX }
    }
}

/// Of how many rows how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) rows: u64,
    pub(crate) of: u64,
}

/// What one object rejected.
#[derive(Default)]
pub(super) struct ObjectSideOutputs {
    /// The columns of its late rows, once they are known.
    pub(super) columns: Option<LateColumns>,
    late: KeptRows,
    errors: KeptRows,
    /// The one reader of a source that tells: a later one reads the same rows again from the start.
    pub(super) reporter: Option<NodeId>,
    pub(super) streams: Vec<SideStream>,
    pub(super) target: Option<LateTarget>,
    pub(super) fresh: Fresh,
}

/// What has come since it was passed on last; only as far as somebody follows it.
#[derive(Default)]
pub(super) struct Fresh {
    pub(super) late: Vec<RecordBatch>,
    /// With the rows that `late` leaves to their source.
    pub(super) for_target: Vec<RecordBatch>,
    pub(super) errors: Vec<RecordBatch>,
}

impl SideOutputs {
    /// Says how many bytes the rows of one object on one side may take from now on.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// How many of the rows of this name are kept, if there is such an object.
    pub(crate) fn kept(&self, side: SideId) -> Option<Kept> {
        let rows = self.objects.get(&side.object)?.rows(side.side);
        Some(Kept { rows: rows.kept(), of: rows.rejected() })
    }

    /// Takes out those of the kept rows that `taken` says: they are no longer rejected.
    pub(crate) fn take_out(&mut self, side: SideId, taken: &[bool]) -> Result<()> {
        match self.objects.get_mut(&side.object) {
            Some(of_object) => of_object.rows_mut(side.side).take_out(taken),
            None => Ok(()),
        }
    }

    /// Says which columns the late rows of `object` have, so that its table can be read before one comes.
    pub(crate) fn declare_late(&mut self, object: ObjectId, columns: LateColumns) {
        self.object(object).columns.get_or_insert(columns);
    }

    /// Whether late rows with these columns can stand beside those that `object` has had.
    pub(crate) fn takes_late(&self, object: ObjectId, columns: &LateColumns) -> bool {
        let known = self.objects.get(&object).and_then(|side| side.columns.as_ref());
        known.is_none_or(|known| known.schema() == columns.schema())
    }

    pub(crate) fn declare_errors(&mut self, object: ObjectId) {
        self.object(object);
    }

    /// Whether the side outputs of `object` are known.
    pub(crate) fn is_declared(&self, object: ObjectId) -> bool {
        self.objects.contains_key(&object)
    }

    pub(crate) fn forget(&mut self, object: ObjectId) {
        self.objects.remove(&object);
    }

    /// How many rows were late and how many in error.
    pub(crate) fn counts(&self, object: ObjectId) -> (u64, u64) {
        self.objects.get(&object).map_or((0, 0), |side| (side.late.came(), side.errors.came()))
    }

    /// How many rows were late and how many in error, of all objects that there are and of queries without a name.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.objects.values().fold((0, 0), |(late, errors), side| (late + side.late.came(), errors + side.errors.came()))
    }

    pub(crate) fn add_bad_rows(&mut self, object: ObjectId, rows: &[BadRow]) -> Result<()> {
        let bytes_max = self.bytes_max;
        if rows.is_empty() { Ok(()) } else { self.object(object).add_bad_rows(rows, bytes_max) }
    }

    /// Rows that could not be pushed into `object`.
    fn add_refused(&mut self, object: ObjectId, rows: &RecordBatch, error: &Error) -> Result<()> {
        let reasons = vec![error.message().to_owned(); rows.num_rows()];
        self.add_bad_rows(object, &bad_rows(rows, &reasons, "LATE DATA TO"))
    }

    /// Takes what the reader of `object` at `node` could not read, unless another reader tells the same.
    pub(crate) fn add_unreadable(&mut self, object: ObjectId, node: NodeId, rows: &[BadRow]) -> Result<()> {
        if rows.is_empty() || !self.may_tell(object, node) { Ok(()) } else { self.add_bad_rows(object, rows) }
    }

    /// Whether `node` is the reader that tells what was wrong with the rows of `object`: the first one that has something to tell.
    fn may_tell(&mut self, object: ObjectId, node: NodeId) -> bool {
        *self.object(object).reporter.get_or_insert(node) == node
    }

    /// Takes over what operators rejected.
    pub(crate) fn collect(&mut self, graph: &GraphHost, rejected: Vec<(NodeId, RejectedRows)>) -> Result<()> {
        let step = graph.last_step();
        for (node, rows) in rejected {
            let Some(node) = graph.nodes().find(|candidate| candidate.id == node) else { continue };
            let owner = self.owner(node.id).unwrap_or(ObjectId::UNNAMED);
            if matches!(node.kind, NodeKind::Source(_)) && !self.may_tell(owner, node.id) {
                continue;
            }
            match rows.reason {
                RejectReason::Late => {
                    let own = told_here(node, &rows, graph)?;
                    let bytes_max = self.bytes_max;
                    self.object(owner).add_late(&rows, own.as_ref(), bytes_max)?;
                }
                RejectReason::Error => self.add_bad_rows(owner, &as_bad_rows(&rows, &format!("step {step}")))?,
            }
        }
        Ok(())
    }

    /// The rows that are kept under this name, if there is such an object.
    pub(crate) fn table(&self, side: SideId) -> Option<(SchemaRef, Vec<RecordBatch>)> {
        let of_object = self.objects.get(&side.object)?;
        Some((of_object.schema(side.side), of_object.rows(side.side).batches()))
    }

    /// How many rows came on a side, and how many of them were taken out again.
    pub(crate) fn came_and_taken(&self, side: SideId) -> (u64, u64) {
        self.objects.get(&side.object).map_or((0, 0), |of_object| of_object.rows(side.side).came_and_taken())
    }

    /// Has these rows on a side, the newest of so many that came and were not taken out.
    pub(crate) fn restore(
        &mut self,
        object: ObjectId,
        side: Side,
        (came, taken): (u64, u64),
        rows: &[RecordBatch],
    ) -> Result<()> {
        let bytes_max = self.bytes_max;
        let of_object = self.object(object);
        let kept = if side == Side::Late { &mut of_object.late } else { &mut of_object.errors };
        rows.iter().try_for_each(|rows| kept.push(rows, bytes_max))?;
        kept.set_counts(came, taken);
        Ok(())
    }

    pub(super) fn object(&mut self, id: ObjectId) -> &mut ObjectSideOutputs {
        self.objects.entry(id).or_default()
    }

    /// Says that what `nodes` reject is what `object` rejects.
    pub(crate) fn own(&mut self, object: ObjectId, nodes: impl IntoIterator<Item = NodeId>) {
        if object != ObjectId::UNNAMED {
            self.owners.extend(nodes.into_iter().map(|node| (node, object)));
        }
    }

    /// Forgets whose these nodes were: they are gone.
    pub(crate) fn disown(&mut self, nodes: &[NodeId]) {
        nodes.iter().for_each(|node| {
            self.owners.remove(node);
        });
    }

    /// The object of which `node` is a part, if it is one of those that run for one.
    pub(crate) fn owner(&self, node: NodeId) -> Option<ObjectId> {
        self.owners.get(&node).copied()
    }
}

/// Rejected rows flow on within the step that rejected them.
impl RejectedRowsHandler for SideOutputs {
    fn handle(&mut self, graph: &GraphHost, rejected: Vec<(NodeId, RejectedRows)>) -> Result<Vec<(NodeId, ChangeBatch)>> {
        self.collect(graph, rejected)?;
        self.take_due()
    }

    /// Rows that a target does not take are in error there: they must not vanish, nor stop those of others.
    fn refused(&mut self, source: NodeId, rows: &ChangeBatch, error: Error) -> Result<()> {
        let target = self.targets().find(|target| target.node == source).map(|target| target.object);
        match target {
            Some(target) => self.add_refused(target, rows.rows(), &error),
            None => Err(error),
        }
    }
}

impl ObjectSideOutputs {
    /// The columns of the rows on this side.
    pub(super) fn schema(&self, side: Side) -> SchemaRef {
        match (side, &self.columns) {
            (Side::Errors, _) => error_schema(),
            (Side::Late, Some(columns)) => columns.schema().clone(),
            (Side::Late, None) => LateColumns::none().schema().clone(),
        }
    }

    /// The newest rows on this side.
    pub(super) fn rows(&self, side: Side) -> &KeptRows {
        match side {
            Side::Late => &self.late,
            Side::Errors => &self.errors,
        }
    }

    fn rows_mut(&mut self, side: Side) -> &mut KeptRows {
        match side {
            Side::Late => &mut self.late,
            Side::Errors => &mut self.errors,
        }
    }

    fn add_bad_rows(&mut self, rows: &[BadRow], bytes_max: usize) -> Result<()> {
        let table = error_table(rows.iter())?;
        self.errors.push(&table, bytes_max)?;
        if self.flows(Side::Errors) {
            self.fresh.errors.push(table);
        }
        Ok(())
    }

    /// Late rows; `own`: those that are not told by their source already (`None`: all).
    fn add_late(&mut self, side: &RejectedRows, own: Option<&BooleanArray>, bytes_max: usize) -> Result<()> {
        let columns = self.columns.get_or_insert_with(|| LateColumns::new(&side.rows.schema()));
        let rows = columns.arrange(side)?;
        if self.target.is_some() {
            self.fresh.for_target.push(rows.clone());
        }
        let own = match own {
            Some(own) => filter_record_batch(&rows, own)?,
            None => rows,
        };
        if own.num_rows() == 0 {
            return Ok(());
        }
        self.late.push(&own, bytes_max)?;
        if self.flows(Side::Late) {
            self.fresh.late.push(own);
        }
        Ok(())
    }

    fn flows(&self, side: Side) -> bool {
        self.streams.iter().any(|stream| stream.side == side && stream.is_flowing())
    }
}

/// Which of the rows that a window could not use are told here: not those without usable event time that their source has told already.
fn told_here(node: &Node, side: &RejectedRows, graph: &GraphHost) -> Result<Option<BooleanArray>> {
    let time = match &node.kind {
        NodeKind::Window(window) => window.time,
        NodeKind::Session(session) => session.time,
        NodeKind::AssignWindow(assign) => assign.time,
        _ => return Ok(None),
    };
    let Some(input) = node.inputs.first().and_then(|input| graph.properties(*input)) else { return Ok(None) };
    let times = to_nanos(side.rows.column(time))?;
    if input.time_column(time).is_none() || times.null_count() == 0 {
        return Ok(None);
    }
    Ok(Some((0..times.len()).map(|row| Some(times.is_valid(row))).collect()))
}
