//! What every object put aside: counts, the newest rows, and what has come since it was passed on last.

use std::collections::{BTreeMap, VecDeque};

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use laminar_connectors::BadRow;
use laminar_core::dag::{Node, NodeKind};
use laminar_core::limits::SIDE_ROWS_MAX;
use laminar_core::operator::{Aside as Kind, AsideRows};
use laminar_core::reactor::Reactor;
use laminar_core::{Error, NodeId, Result};

use super::bad_rows::{as_bad_rows, bad_rows, error_schema, error_table};
use super::late_rows::{LateColumns, NewestRows};
use super::side::{Side, SideName};
use super::stream::SideStream;
use super::target::LateTarget;

/// What was put aside, by object.
#[derive(Default)]
pub(crate) struct Aside {
    pub(super) objects: BTreeMap<String, ObjectAside>,
}

/// What one object put aside.
#[derive(Default)]
pub(super) struct ObjectAside {
    /// The columns of its late rows, once they are known.
    pub(super) columns: Option<LateColumns>,
    late: NewestRows,
    errors: VecDeque<BadRow>,
    late_count: u64,
    error_count: u64,
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
    pub(super) errors: Vec<BadRow>,
}

impl Aside {
    /// Says which columns the late rows of `object` have, so that its table can be read before one comes.
    pub(crate) fn declare_late(&mut self, object: &str, columns: LateColumns) {
        self.object(object).columns.get_or_insert(columns);
    }

    pub(crate) fn declare_errors(&mut self, object: &str) {
        self.object(object);
    }

    pub(crate) fn forget(&mut self, object: &str) {
        self.objects.remove(object);
    }

    /// How many rows were late and how many in error.
    pub(crate) fn counts(&self, object: &str) -> (u64, u64) {
        self.objects.get(object).map_or((0, 0), |aside| (aside.late_count, aside.error_count))
    }

    /// How many rows were late and how many in error, of all objects that there are and of queries without a name.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.objects.values().fold((0, 0), |(late, errors), aside| (late + aside.late_count, errors + aside.error_count))
    }

    pub(crate) fn add_bad_rows(&mut self, object: &str, rows: Vec<BadRow>) {
        if !rows.is_empty() {
            self.object(object).add_bad_rows(rows);
        }
    }

    /// Rows that could not be pushed into `object`.
    pub(crate) fn add_refused(&mut self, object: &str, rows: &RecordBatch, error: &Error) {
        let reasons = vec![error.message().to_owned(); rows.num_rows()];
        self.add_bad_rows(object, bad_rows(rows, &reasons, "LATE DATA TO"));
    }

    /// Takes what the reader of `object` at `node` could not read, unless another reader tells the same.
    pub(crate) fn add_unreadable(&mut self, object: &str, node: NodeId, rows: Vec<BadRow>) {
        if !rows.is_empty() && self.may_tell(object, node) {
            self.add_bad_rows(object, rows);
        }
    }

    /// Whether `node` is the reader that tells what was wrong with the rows of `object`: the first one that has something to tell.
    fn may_tell(&mut self, object: &str, node: NodeId) -> bool {
        *self.object(object).reporter.get_or_insert(node) == node
    }

    /// Takes over what operators put aside since the last call.
    pub(crate) fn collect(&mut self, reactor: &mut Reactor) -> Result<()> {
        let taken = reactor.take_aside();
        if taken.is_empty() {
            return Ok(());
        }
        let step = reactor.last_step();
        for (node, rows) in taken {
            let Some(node) = reactor.nodes().find(|candidate| candidate.id == node) else { continue };
            let name = node.name.clone();
            if matches!(node.kind, NodeKind::Source(_)) && !self.may_tell(&name, node.id) {
                continue;
            }
            match rows.kind {
                Kind::Late => {
                    let own = told_here(node, &rows, reactor);
                    self.object(&name).add_late(&rows, own.as_ref())?;
                }
                Kind::Error => self.add_bad_rows(&name, as_bad_rows(&rows, &format!("step {step}"))),
            }
        }
        Ok(())
    }

    /// The rows that are kept under this name, if there is such an object.
    pub(crate) fn table(&self, name: &SideName) -> Option<Result<(SchemaRef, Vec<RecordBatch>)>> {
        let aside = self.objects.get(&name.object)?;
        Some(aside.kept(name.side).map(|rows| (aside.schema(name.side), rows)))
    }

    pub(super) fn object(&mut self, name: &str) -> &mut ObjectAside {
        self.objects.entry(name.to_owned()).or_default()
    }
}

impl ObjectAside {
    /// The columns of the rows on this side.
    pub(super) fn schema(&self, side: Side) -> SchemaRef {
        match (side, &self.columns) {
            (Side::Errors, _) => error_schema(),
            (Side::Late, Some(columns)) => columns.schema().clone(),
            (Side::Late, None) => LateColumns::none().schema().clone(),
        }
    }

    /// The newest rows on this side.
    pub(super) fn kept(&self, side: Side) -> Result<Vec<RecordBatch>> {
        match side {
            Side::Late => Ok(self.late.batches()),
            Side::Errors => Ok(vec![error_table(self.errors.iter())?]),
        }
    }

    fn add_bad_rows(&mut self, rows: Vec<BadRow>) {
        self.error_count += rows.len() as u64;
        if self.flows(Side::Errors) {
            self.fresh.errors.extend(rows.iter().cloned());
        }
        self.errors.extend(rows);
        let surplus = self.errors.len().saturating_sub(SIDE_ROWS_MAX);
        self.errors.drain(..surplus);
    }

    /// Late rows; `own`: those that are not told by their source already (`None`: all).
    fn add_late(&mut self, aside: &AsideRows, own: Option<&BooleanArray>) -> Result<()> {
        let columns = self.columns.get_or_insert_with(|| LateColumns::new(&aside.rows.schema()));
        let rows = columns.arrange(aside)?;
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
        self.late_count += own.num_rows() as u64;
        if self.flows(Side::Late) {
            self.fresh.late.push(own.clone());
        }
        self.late.push(own);
        Ok(())
    }

    fn flows(&self, side: Side) -> bool {
        self.streams.iter().any(|stream| stream.side == side && stream.is_flowing())
    }
}

/// Which of the rows that a window could not use are told here: not those without event time that their source has told already.
fn told_here(node: &Node, aside: &AsideRows, reactor: &Reactor) -> Option<BooleanArray> {
    let time = match &node.kind {
        NodeKind::Window(window) => window.time,
        NodeKind::Session(session) => session.time,
        NodeKind::AssignWindow(assign) => assign.time,
        _ => return None,
    };
    let input = node.inputs.first().and_then(|input| reactor.properties(*input))?;
    if input.time_column(time).is_none() || aside.rows.column(time).null_count() == 0 {
        return None;
    }
    Some((0..aside.rows.num_rows()).map(|row| Some(aside.rows.column(time).is_valid(row))).collect())
}
