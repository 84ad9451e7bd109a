//! Rows that could not be used: counted, and the newest of them readable as `<object>$late` and `<object>$errors`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use laminar_connectors::BadRow;
use laminar_core::dag::{Node, NodeKind};
use laminar_core::limits::SIDE_ROWS_MAX;
use laminar_core::operator::{Aside as Kind, AsideRows};
use laminar_core::reactor::Reactor;
use laminar_core::{NodeId, Result};

/// What was put aside, by object.
#[derive(Default)]
pub(crate) struct Aside {
    objects: BTreeMap<String, ObjectAside>,
}

/// What one object put aside.
#[derive(Default)]
struct ObjectAside {
    late: LateRows,
    errors: VecDeque<BadRow>,
    late_count: u64,
    error_count: u64,
    /// The one reader of a source that tells: a later one reads the same rows again from the start.
    reporter: Option<NodeId>,
}

/// Late rows with their columns, if all of them have the same.
#[derive(Default)]
struct LateRows {
    schema: Option<SchemaRef>,
    batches: VecDeque<RecordBatch>,
    rows: usize,
}

impl Aside {
    /// Says which columns the late rows of `object` have, so that its table can be read before one comes.
    pub(crate) fn declare_late(&mut self, object: &str, schema: &SchemaRef) {
        self.objects.entry(object.to_owned()).or_default().late.schema.get_or_insert_with(|| with_reason(schema));
    }

    pub(crate) fn declare_errors(&mut self, object: &str) {
        self.objects.entry(object.to_owned()).or_default();
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
        if rows.is_empty() {
            return;
        }
        let aside = self.objects.entry(object.to_owned()).or_default();
        aside.error_count += rows.len() as u64;
        aside.errors.extend(rows);
        let surplus = aside.errors.len().saturating_sub(SIDE_ROWS_MAX);
        aside.errors.drain(..surplus);
    }

    /// Takes what the reader of `object` at `node` could not read, unless another reader tells the same.
    pub(crate) fn add_unreadable(&mut self, object: &str, node: NodeId, rows: Vec<BadRow>) {
        if !rows.is_empty() && self.may_tell(object, node) {
            self.add_bad_rows(object, rows);
        }
    }

    /// Whether `node` is the reader that tells what was wrong with the rows of `object`: the first one that has something to tell.
    fn may_tell(&mut self, object: &str, node: NodeId) -> bool {
        *self.objects.entry(object.to_owned()).or_default().reporter.get_or_insert(node) == node
    }

    /// Takes over what operators put aside since the last call.
    pub(crate) fn collect(&mut self, reactor: &mut Reactor) {
        let taken = reactor.take_aside();
        if taken.is_empty() {
            return;
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
                    let rows = without_known(node, rows, reactor);
                    self.objects.entry(name).or_default().add_late(rows);
                }
                Kind::Error => self.add_bad_rows(&name, as_bad_rows(&rows, &format!("step {step}"))),
            }
        }
    }

    /// The table `<object>$late` or `<object>$errors`, if there is such an object.
    pub(crate) fn table(&self, name: &str) -> Option<Result<(SchemaRef, Vec<RecordBatch>)>> {
        let (object, kind) = name.rsplit_once('$')?;
        let aside = self.objects.get(object)?;
        match kind {
            "late" => {
                let schema = aside.late.schema.clone().unwrap_or_else(|| with_reason(&Arc::new(Schema::empty())));
                Some(Ok((schema, aside.late.batches.iter().cloned().collect())))
            }
            "errors" => Some(error_table(&aside.errors)),
            _ => None,
        }
    }
}

impl ObjectAside {
    fn add_late(&mut self, aside: AsideRows) {
        self.late_count += aside.rows.num_rows() as u64;
        let reasons: ArrayRef = Arc::new(StringArray::from(aside.reasons));
        let schema = self.late.schema.get_or_insert_with(|| with_reason(&aside.rows.schema())).clone();
        let mut columns = aside.rows.columns().to_vec();
        columns.push(reasons);
        // Two windows of one query can have different columns; the table shows those of the first and the reason of all.
        let fits = columns.len() == schema.fields().len()
            && columns.iter().zip(schema.fields()).all(|(column, field)| column.data_type() == field.data_type());
        if !fits {
            let reason = columns.pop().into_iter();
            let nulls = schema.fields().iter().take(schema.fields().len() - 1);
            columns =
                nulls.map(|field| arrow_array::new_null_array(field.data_type(), aside.rows.num_rows())).chain(reason).collect();
        }
        if let Ok(batch) = RecordBatch::try_new(schema, columns) {
            self.late.push(batch);
        }
    }
}

/// Rows that a window could not use, less those without event time that their source has put aside already.
fn without_known(node: &Node, aside: AsideRows, reactor: &Reactor) -> AsideRows {
    let time = match &node.kind {
        NodeKind::Window(window) => window.time,
        NodeKind::Session(session) => session.time,
        NodeKind::AssignWindow(assign) => assign.time,
        _ => return aside,
    };
    let follows_source =
        node.inputs.first().and_then(|input| reactor.properties(*input)).is_some_and(|p| p.time_column(time).is_some());
    if !follows_source || aside.rows.column(time).null_count() == 0 {
        return aside;
    }
    let keep: BooleanArray = (0..aside.rows.num_rows()).map(|row| Some(aside.rows.column(time).is_valid(row))).collect();
    let reasons = aside.reasons.into_iter().zip(keep.values()).filter_map(|(reason, keep)| keep.then_some(reason)).collect();
    match filter_record_batch(&aside.rows, &keep) {
        Ok(rows) => AsideRows { kind: aside.kind, rows, reasons },
        Err(_) => AsideRows { kind: aside.kind, rows: aside.rows.slice(0, 0), reasons: Vec::new() },
    }
}

impl LateRows {
    fn push(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.batches.push_back(batch);
        while self.rows > SIDE_ROWS_MAX {
            let Some(oldest) = self.batches.pop_front() else { break };
            let surplus = (self.rows - SIDE_ROWS_MAX).min(oldest.num_rows());
            self.rows -= surplus;
            if surplus < oldest.num_rows() {
                self.batches.push_front(oldest.slice(surplus, oldest.num_rows() - surplus));
            }
        }
        // Late rows tend to come in ones and twos; a batch for each would cost more than they hold.
        if self.batches.len() > 64
            && let Some(schema) = &self.schema
            && let Ok(whole) = concat_batches(schema, &self.batches)
        {
            self.batches = VecDeque::from([whole]);
        }
    }
}

/// The columns as they came, all nullable, and why the row is here.
fn with_reason(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    fields.push(Field::new("reason", DataType::Utf8, false));
    Arc::new(Schema::new(fields))
}

fn as_bad_rows(aside: &AsideRows, position: &str) -> Vec<BadRow> {
    let raw = texts(&aside.rows);
    let pairs = raw.into_iter().zip(&aside.reasons);
    pairs.map(|(raw, reason)| BadRow { raw, reason: reason.clone(), position: position.to_owned() }).collect()
}

/// Each row as `column=value, …`.
fn texts(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let schema = rows.schema();
    let columns: Vec<_> = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect();
    let value = |row: usize, column: usize| match &columns[column] {
        Ok(formatter) => format!("{}={}", schema.field(column).name(), formatter.value(row)),
        Err(error) => format!("{}=? ({error})", schema.field(column).name()),
    };
    (0..rows.num_rows()).map(|row| (0..columns.len()).map(|c| value(row, c)).collect::<Vec<_>>().join(", ")).collect()
}

fn error_table(rows: &VecDeque<BadRow>) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let schema =
        Arc::new(Schema::new(["raw", "reason", "position"].map(|name| Field::new(name, DataType::Utf8, false)).to_vec()));
    let column =
        |pick: fn(&BadRow) -> &str| Arc::new(rows.iter().map(|row| Some(pick(row))).collect::<StringArray>()) as ArrayRef;
    let columns = vec![column(|row| &row.raw), column(|row| &row.reason), column(|row| &row.position)];
    Ok((schema.clone(), vec![RecordBatch::try_new(schema, columns)?]))
}
