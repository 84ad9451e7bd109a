//! `GROUP BY` without windows: after each step, −1 the old row and +1 the new row of every group that changed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter;
use arrow_select::take::take;

use super::aggregate::{AggregateCall, Fault, GroupTable, Grouped, GroupedMemory, Namespace, ResultColumn, pack};
use super::difference::{After, GROUPS_AT_ONCE, TouchedGroups, columns_bytes};
use super::partial_groups::PartialGroups;
use super::{Operator, OperatorContext, PartialAggregation, RejectReason, RejectedRows, SentGroups};
use crate::expr::ExprRef;
use crate::graph::{AggregateSpec, EdgeProperties, TimeColumn, can_be_sent};
use crate::state::{CopiedAhead, Imaged, Ownership, StateImage};
use crate::time::Watermark;
use crate::time::event_time::to_nanos;
use crate::{ChangeBatch, Port, Result};

/// Groups and their aggregates. Output rows come in the order in which the step first touched their groups.
pub struct GroupAggregate {
    keys: Vec<ExprRef>,
    calls: Vec<AggregateCall>,
    output: SchemaRef,
    table: GroupTable,
    /// Without keys there is one row, whether there is input or not; this is whether it has been shown.
    shown: bool,
    touched: TouchedGroups,
    /// Memory for the next batch, and for the columns of what the next step emits.
    memory: GroupedMemory,
    columns: Vec<ResultColumn>,
    /// Groups whose fault is reported already.
    faulty: BTreeSet<u32>,
    /// Whether weights other than +1 can come.
    retracts: bool,
    has_partial_aggregation: bool,
    /// Groups that no row will belong to any more, if a key tells.
    closed: Option<ClosedGroups>,
    /// What is on its way to other workers.
    partial: Option<PartialGroups>,
}

impl GroupAggregate {
    /// The operator of `spec` over this input.
    pub fn new(spec: &AggregateSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let types: Vec<_> = spec.keys.iter().map(|key| key.data_type().clone()).collect();
        let retracts = !input.changes.is_append();
        let mut operator = Self {
            table: GroupTable::new(&types, &spec.aggregates, retracts)?,
            retracts,
            has_partial_aggregation: can_be_sent(&spec.aggregates, input),
            closed: spec.complete_time(input).map(ClosedGroups::new),
            partial: None,
            keys: spec.keys.clone(),
            calls: spec.aggregates.clone(),
            output,
            shown: false,
            touched: TouchedGroups::default(),
            memory: GroupedMemory::default(),
            columns: Vec::new(),
            faulty: BTreeSet::new(),
        };
        if operator.keys.is_empty() {
            operator.table.assign(&[], 1)?;
        }
        Ok(operator)
    }

    fn fresh_table(&self) -> Result<GroupTable> {
        let types: Vec<_> = self.keys.iter().map(|key| key.data_type().clone()).collect();
        GroupTable::new(&types, &self.calls, self.retracts)
    }

    /// Adds groups that another worker aggregated.
    fn merge_arrived(&mut self, image: &RecordBatch) -> Result<()> {
        let mut theirs = self.fresh_table()?;
        let groups = self.table.assign_image(Namespace::FIRST, image, &mut theirs)?;
        self.remember(&groups)?;
        self.table.merge_all(&theirs, &groups)
    }

    /// Adds rows.
    fn take_in(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let memory = std::mem::take(&mut self.memory);
        let grouped = Grouped::evaluate_in(memory, &self.keys, &self.calls, changes, cx)?;
        let groups = self.table.assign(&grouped.keys, grouped.changes.len())?;
        self.table.prefetch(&groups);
        self.remember(&groups)?;
        self.table.update(&grouped.inputs, grouped.changes.weights(), &groups)?;
        self.memory = grouped.into_memory();
        Ok(())
    }

    /// Remembers the results of groups that the step touches for the first time.
    fn remember(&mut self, groups: &[u32]) -> Result<()> {
        let (keyless, shown) = (self.keys.is_empty(), self.shown);
        let has_row = |table: &GroupTable, group| if keyless { shown } else { table.weight(group) > 0 };
        self.touched.remember(&mut self.table, groups, has_row)?;
        Ok(())
    }

    /// The results of the touched groups that have a row now, and the groups from which more rows were taken back than had come: these
    /// show nothing until as many have come.
    fn after(&mut self, faults: &mut Vec<Fault>) -> Result<(After, Vec<u32>)> {
        let keyless = self.keys.is_empty();
        let overdrawn = RefCell::new(Vec::new());
        let has_row = |table: &GroupTable, group| {
            let weight = table.weight(group);
            if weight < 0 {
                overdrawn.borrow_mut().push(group);
            }
            keyless || weight > 0
        };
        let after = self.touched.after(&mut self.table, has_row, faults)?;
        Ok((after, overdrawn.into_inner()))
    }

    /// Rejects the groups that became overdrawn in this step. Which of their rows was never there is not known any more.
    fn report_overdrawn(&mut self, overdrawn: &[u32], cx: &mut OperatorContext<'_>) -> Result<()> {
        let fresh: Vec<u32> = overdrawn.iter().copied().filter(|group| self.faulty.insert(*group)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let reasons = vec!["more rows of this group were taken back than had come".to_owned(); fresh.len()];
        cx.reject(RejectedRows { reason: RejectReason::Error, rows: self.rows_of_keys(&fresh)?, reasons });
        Ok(())
    }

    /// Rejects the rows whose results became faulty in this step.
    fn report(&mut self, after: &After, mut faults: Vec<Fault>, cx: &mut OperatorContext<'_>) -> Result<()> {
        if faults.is_empty() && self.faulty.is_empty() {
            return Ok(());
        }
        faults.sort_by_key(|fault| fault.position);
        let (mut rows, mut reasons) = (Vec::new(), Vec::<String>::new());
        let mut healthy: BTreeSet<u32> = after.groups.iter().copied().collect();
        for same in faults.chunk_by(|a, b| a.position == b.position) {
            let group = after.groups[same[0].position];
            healthy.remove(&group);
            if self.faulty.insert(group) {
                rows.push(same[0].position as u32);
                reasons.push(same.iter().map(|fault| fault.reason.as_str()).collect::<Vec<_>>().join("; "));
            }
        }
        self.faulty.retain(|group| !healthy.contains(group));
        let groups: Vec<u32> = rows.iter().map(|row| after.groups[*row as usize]).collect();
        cx.reject(RejectedRows { reason: RejectReason::Error, rows: self.faulty_rows(&groups, after, &rows.into())?, reasons });
        Ok(())
    }

    /// The rows `rows` of the results, which are those of `groups`.
    fn faulty_rows(&self, groups: &[u32], after: &After, rows: &UInt32Array) -> Result<RecordBatch> {
        let mut columns = self.table.keys(groups)?;
        for column in &after.columns {
            columns.push(take(&column.column()?, rows, None)?);
        }
        rows_of(&self.output, columns, groups.len())
    }

    fn emit_difference(&mut self, after: &After, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changed = self.touched.compare(after)?;
        if changed.groups.is_empty() {
            return Ok(());
        }
        self.columns.resize_with(self.output.fields().len(), ResultColumn::default);
        self.table.append_keys(&changed.groups, &mut self.columns)?;
        let rows = changed.groups.len();
        self.touched.gather(after, &mut self.columns, self.keys.len())?;
        let (weights, columns) = pack(self.touched.weights(), &self.columns)?;
        self.columns.iter_mut().for_each(ResultColumn::clear);
        let changes = ChangeBatch::new(rows_of(&self.output, columns, rows)?, weights);
        cx.emit(changes.known_consolidated());
        Ok(())
    }

    /// The keys of the groups whose fault is reported: their numbers are others on another worker.
    fn faulty_keys(&self) -> Result<RecordBatch> {
        self.rows_of_keys(&self.faulty.iter().copied().collect::<Vec<_>>())
    }

    fn rows_of_keys(&self, groups: &[u32]) -> Result<RecordBatch> {
        let columns = self.table.keys(groups)?;
        let fields = self.keys.iter().map(|key| Field::new(key.display(), key.data_type().clone(), true));
        rows_of(&Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns, groups.len())
    }

    /// Adds to an image what the table does not know.
    fn add_rest_to_image(&self, image: &mut StateImage) -> Result<()> {
        let shown: ArrayRef = Arc::new(BooleanArray::from(vec![self.shown]));
        image.push("shown", RecordBatch::try_from_iter([("shown", shown)])?);
        image.push("faulty", self.faulty_keys()?);
        Ok(())
    }

    /// Takes those of them that are owned; the groups are there already.
    fn restore_faulty(&mut self, rows: &RecordBatch, owned: &Ownership) -> Result<()> {
        let own = owned.owned(rows.columns(), rows.num_rows())?;
        let keys = rows.columns().iter().map(|key| Ok(filter(key, &own)?)).collect::<Result<Vec<_>>>()?;
        self.faulty.extend(self.table.assign(&keys, own.true_count())?);
        Ok(())
    }

    /// Forgets groups that are complete: readers keep what they have been shown. They are looked for when there are twice as many groups as
    /// the last look has left, so that a step costs as much as it brings, or at the end of time.
    fn forget_closed(&mut self) -> Result<()> {
        let Some(closed) = self.closed.as_mut().filter(|closed| closed.is_due(self.table.len())) else { return Ok(()) };
        let groups: Vec<u32> = self.table.groups().collect();
        let groups = closed.among(&groups, &self.table.keys(&groups)?)?;
        self.table.release(&groups);
        groups.iter().for_each(|group| {
            self.faulty.remove(group);
        });
        closed.left = self.table.len();
        Ok(())
    }

    /// Ends the step: groups without rows are forgotten, but for the one without keys.
    fn forget(&mut self) {
        if self.keys.is_empty() {
            return self.touched.clear();
        }
        for group in self.touched.release_empty(&mut self.table) {
            self.faulty.remove(group);
        }
    }
}

/// When groups are forgotten that are behind the watermark.
struct ClosedGroups {
    /// The time among the keys.
    time: TimeColumn,
    watermark: Watermark,
    /// Groups that the last look has left.
    left: usize,
}

/// What the groups are called in an image.
const GROUPS: &str = "groups";
/// Fewer groups than this are not worth a look.
const GROUPS_LOOKED_AT_MIN: usize = 16;

impl ClosedGroups {
    fn new(time: TimeColumn) -> Self {
        Self { time, watermark: Watermark::START, left: 0 }
    }

    fn is_due(&self, groups: usize) -> bool {
        groups > 0 && (self.watermark.is_end() || groups >= GROUPS_LOOKED_AT_MIN.max(2 * self.left))
    }

    /// Those of `groups` with these keys that are complete.
    fn among(&self, groups: &[u32], keys: &[ArrayRef]) -> Result<Vec<u32>> {
        let (times, reached) = (to_nanos(&keys[self.time.column])?, self.watermark.held_back(self.time.lag).0);
        let is_closed = |(row, _): &(usize, &u32)| times.is_valid(*row) && times.value(*row) < reached;
        Ok(groups.iter().enumerate().filter(is_closed).map(|(_, group)| *group).collect())
    }
}

fn rows_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

impl Operator for GroupAggregate {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if port == Port::GROUPS {
            return self.merge_arrived(changes.rows());
        }
        if self.table.end() < GROUPS_AT_ONCE {
            return self.take_in(changes, cx);
        }
        // What a row's group needs is looked at several times; in between it should stay in the cache.
        for begin in (0..changes.len()).step_by(GROUPS_AT_ONCE) {
            self.take_in(changes.slice(begin, GROUPS_AT_ONCE.min(changes.len() - begin)), cx)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        if let Some(closed) = &mut self.closed {
            closed.watermark = watermark;
        }
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.keys.is_empty() && !self.shown {
            self.remember(&[0])?;
        }
        if self.touched.groups().is_empty() {
            return self.forget_closed();
        }
        let mut faults = Vec::new();
        let (after, overdrawn) = self.after(&mut faults)?;
        self.report(&after, faults, cx)?;
        self.report_overdrawn(&overdrawn, cx)?;
        self.emit_difference(&after, cx)?;
        self.touched.reuse(after);
        self.shown = true;
        self.forget();
        self.forget_closed()
    }

    fn partial_aggregation(&mut self) -> Option<&mut dyn PartialAggregation> {
        if !self.has_partial_aggregation {
            return None;
        }
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl PartialAggregation for GroupAggregate {
    fn absorb(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<ChangeBatch>> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => PartialGroups::new(self.fresh_table()?),
        };
        let back = match partial.takes(changes.len()) {
            true => Grouped::evaluate(&self.keys, &self.calls, changes, cx).and_then(|rows| partial.add(&rows)).map(|()| None),
            false => Ok(Some(changes)),
        };
        self.partial = Some(partial);
        back
    }

    fn sent_keys(&self) -> Range<usize> {
        self.table.image_keys()
    }

    fn on_the_way(&self) -> Result<Vec<SentGroups>> {
        debug_assert!(self.partial.as_ref().is_none_or(PartialGroups::is_empty), "all groups are sent in the step of their rows");
        Ok(Vec::new())
    }

    fn leave(&mut self, _until: Watermark) -> Result<Vec<SentGroups>> {
        self.partial.as_mut().map_or(Ok(Vec::new()), PartialGroups::leave)
    }
}

impl Imaged for GroupAggregate {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.table.add_to_image(&mut image, GROUPS)?;
        self.add_rest_to_image(&mut image)?;
        Ok(image)
    }

    fn checkpoint(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.table.add_to_checkpoint(&mut image, GROUPS)?;
        self.add_rest_to_image(&mut image)?;
        Ok(image)
    }

    fn checkpoint_is_stored(&mut self) {
        self.table.checkpoint_is_stored();
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        let groups = parts.iter().map(|image| GroupTable::image_in(image, GROUPS)).collect::<Result<Vec<_>>>()?;
        self.table.restore_parts(&groups.iter().collect::<Vec<_>>(), owned)?;
        drop(groups);
        for image in parts {
            let shown = image.get("shown")?;
            self.shown |= shown.num_rows() == 1 && shown.column(0).as_boolean_opt().is_some_and(|shown| shown.value(0));
            self.restore_faulty(image.get("faulty")?, owned)?;
        }
        Ok(())
    }

    fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        self.table.copy_ahead(rows)
    }

    fn rows(&self) -> usize {
        self.table.len() + self.partial.as_ref().map_or(0, PartialGroups::len)
    }

    fn bytes(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, PartialGroups::bytes);
        self.table.bytes() + partial + self.touched.bytes() + columns_bytes(&self.columns)
    }
}
