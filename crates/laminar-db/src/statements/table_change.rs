//! Changes a table by what was computed from its rows, as one: between the look and the change no other thread changes them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;
use laminar_core::{ChangeBatch, Error, Result, Span};
use laminar_sql::parse::{Name, RETURNED_ROWS, StreamQuery};

use super::StatementOutcome;
use super::select::SnapshotReading;
use super::table_rows::{NumberedRows, SeenTable, Wanted, WithOwnRows};
use crate::block_on::{block_on, unless_interrupted};
use crate::engine::{Engine, TableRules};
use crate::{Database, Notice, Rows};

/// What a statement does to the rows of a table.
pub(super) struct TableChange {
    /// Rows that go, each as often as it goes.
    pub(super) removed: RecordBatch,
    /// Rows that come.
    pub(super) added: RecordBatch,
    /// Whether row n that comes has the key of row n that goes, if that many go: in a table with a key it then takes its place.
    pub(super) keeps_keys: bool,
    /// What RETURNING answers.
    pub(super) returned: Option<Rows>,
}

/// A statement that changes a table.
pub(super) struct Changing<'a> {
    pub(super) table: &'a Name,
    /// What it does to rows, as in `updated`.
    pub(super) verb: &'static str,
    /// Which of the table's rows it needs.
    pub(super) wanted: &'a dyn Fn(&TableRules) -> Wanted,
    /// It only takes rows away, for which there need be no memory.
    pub(super) only_deletes: bool,
    /// All that it reads beside the table.
    pub(super) queries: Vec<&'a StreamQuery>,
    /// Where an error is that knows no better place.
    pub(super) span: Span,
}

/// A statement's change, when it has been made.
pub(super) struct Changed {
    pub(super) returned: Option<Rows>,
    /// Rows that were changed.
    pub(super) rows: u64,
    pub(super) notices: Vec<Notice>,
}

impl Changing<'_> {
    /// Computes the change on a snapshot while the engine goes on, and makes it if the table still holds the rows that it was computed from. If not, it is
    /// computed again while all others wait: so it is computed twice at most, however often others change the table, and a slow query lets them in.
    pub(super) fn run(
        &self,
        database: &Database,
        compute: impl Fn(&SnapshotReading, &NumberedRows) -> Result<TableChange>,
    ) -> Result<Changed> {
        let compute = |reading: &SnapshotReading, table: &SeenTable| {
            compute(reading, &table.numbered()?).map_err(|error| placed(error, self.span))
        };
        let (reading, mut table) = self.look(&mut database.lock())?;
        let mut change = compute(&reading, &table)?;
        let names = [self.table.text.as_str()];
        let engine = &mut *if self.only_deletes { database.lock_for_push(&names)? } else { database.lock_for_rows(&names)? };
        if !table.is_current(engine)? {
            let (reading, anew) = self.look(engine)?;
            (change, table) = (compute(&reading, &anew)?, anew);
        }
        let rows = change.rows();
        if let Some(changes) = change.changes()? {
            engine.take_in(table.id, table.source, changes).map_err(|error| error.at(self.span))?;
            engine.settle_for(table.source)?;
        }
        let notices = self.queries.iter().flat_map(|query| engine.notices_of_query(query)).collect();
        Ok(Changed { returned: change.returned, rows, notices })
    }

    fn look(&self, engine: &mut Engine) -> Result<(SnapshotReading, SeenTable)> {
        let table = SeenTable::look(engine, self.table, self.verb, self.wanted)?;
        Ok((SnapshotReading::begin(engine, &self.queries)?, table))
    }
}

impl Changed {
    /// The rows of RETURNING, or what `counted` makes of how many rows were changed.
    pub(super) fn outcome(self, counted: impl FnOnce(u64, Vec<Notice>) -> StatementOutcome) -> StatementOutcome {
        match self.returned {
            Some(mut rows) => {
                rows.notices = self.notices;
                StatementOutcome::Rows(rows)
            }
            None => counted(self.rows, self.notices),
        }
    }
}

impl TableChange {
    /// How many rows are changed: an old row and the new one in its place are one.
    fn rows(&self) -> u64 {
        self.removed.num_rows().max(self.added.num_rows()) as u64
    }

    /// The changes of one step; `None`: there are none.
    fn changes(&self) -> Result<Option<ChangeBatch>> {
        let (removed, added) = (self.removed.num_rows(), self.added.num_rows());
        if removed + added == 0 {
            return Ok(None);
        }
        // By a row with its key an old row is replaced; where keys change, all old rows must have gone before the first new one comes.
        let pairs = if self.keeps_keys { removed.min(added) } else { 0 };
        let paired = (0..pairs).flat_map(|row| [(0, row), (1, row)]);
        let places: Vec<(usize, usize)> =
            paired.chain((pairs..removed).map(|row| (0, row))).chain((pairs..added).map(|row| (1, row))).collect();
        let weights: Vec<i64> = places.iter().map(|(part, _)| if *part == 0 { -1 } else { 1 }).collect();
        let rows = interleave_record_batch(&[&self.removed, &self.added], &places)?;
        Ok(Some(ChangeBatch::new(rows, weights)))
    }
}

/// The answer of `RETURNING` over rows that a statement writes or deletes.
pub(super) fn returned(
    reading: &SnapshotReading,
    query: Option<&StreamQuery>,
    text: &str,
    rows: &[RecordBatch],
    columns: &arrow_schema::SchemaRef,
) -> Result<Option<Rows>> {
    let Some(query) = query else { return Ok(None) };
    let SnapshotReading { planner, tables, now, memory, interrupt } = reading;
    let tables = WithOwnRows { snapshot: tables, own: vec![(RETURNED_ROWS, (Arc::clone(columns), rows.to_vec()))] };
    let answer = planner.returned_rows(query, text, &tables, *now, *memory);
    let (schema, batches) = block_on(unless_interrupted(answer, interrupt))?;
    Ok(Some(Rows { schema, batches, notices: Vec::new() }))
}

/// The error as it is, at a place.
pub(super) fn placed(error: Error, span: Span) -> Error {
    if error.span().is_some() { error } else { error.at(span) }
}
