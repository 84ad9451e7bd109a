//! `VARCHAR(n)`: no text of such a column is longer, by whichever way it comes in.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, SchemaRef};
use laminar_connectors::{BadRow, Source, SourcePoll};
use laminar_core::time::watermark::Partitions;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::ColumnDef;
use laminar_sql::plan::longest_text;

/// The columns of an object whose texts are bounded.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextLengths {
    bounded: Vec<BoundedColumn>,
}

#[derive(Debug, Clone)]
struct BoundedColumn {
    index: usize,
    name: String,
    /// In characters.
    longest: usize,
}

impl TextLengths {
    /// The bounds that a definition declares.
    pub(crate) fn of(columns: &[ColumnDef]) -> Self {
        let bounded = columns.iter().enumerate().filter_map(|(index, column)| {
            let longest = usize::try_from(longest_text(column)?).unwrap_or(usize::MAX);
            Some(BoundedColumn { index, name: column.name.text.clone(), longest })
        });
        Self { bounded: bounded.collect() }
    }

    /// Fails if a text of `rows` is too long; `rows` have the object's columns.
    pub(crate) fn check(&self, rows: &RecordBatch) -> Result<()> {
        match self.faults(rows).into_iter().next() {
            None => Ok(()),
            Some((_, reason)) => {
                Err(Error::new(Code::BadData, reason).with_hint("cut it: CAST(x AS VARCHAR(n)), or declare VARCHAR"))
            }
        }
    }

    /// The rows with a text that is too long, ascending, each with its first reason.
    pub(crate) fn faults(&self, rows: &RecordBatch) -> Vec<(usize, String)> {
        let mut faults = Vec::new();
        for column in &self.bounded {
            let Some(texts) = rows.columns().get(column.index).and_then(|values| values.as_string_opt::<i32>()) else { continue };
            let long = texts.iter().enumerate().filter_map(|(row, text)| Some((row, text?)));
            // A text of so many bytes has at most as many characters, which is quickly seen.
            let long = long.filter(|(_, text)| text.len() > column.longest && text.chars().count() > column.longest);
            faults.extend(long.map(|(row, text)| (row, column.fault(text))));
        }
        faults.sort_by_key(|(row, _)| *row);
        faults.dedup_by_key(|(row, _)| *row);
        faults
    }

    /// `source` with its rows held to these bounds.
    pub(crate) fn hold(&self, source: Box<dyn Source>) -> Box<dyn Source> {
        let lengths = self.clone();
        sieved(source, !self.is_empty(), move |rows| Ok(lengths.faults(rows)))
    }

    /// Whether texts of any length may come.
    pub(crate) fn is_empty(&self) -> bool {
        self.bounded.is_empty()
    }
}

impl BoundedColumn {
    fn fault(&self, text: &str) -> String {
        const SHOWN: usize = 40;
        let (name, longest, length) = (&self.name, self.longest, text.chars().count());
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if length > SHOWN { "…" } else { "" };
        format!("the value of column '{name}' is too long for VARCHAR({longest}): '{shown}{more}' has {length} characters")
    }
}

/// `source` without the rows in which `faults` finds something, which are bad rows with that reason; as it is if nothing is to be looked for.
pub(crate) fn sieved(
    source: Box<dyn Source>,
    is_looked_at: bool,
    faults: impl Fn(&RecordBatch) -> Result<Vec<(usize, String)>> + Send + 'static,
) -> Box<dyn Source> {
    if is_looked_at { Box::new(SievedSource { source, faults }) } else { source }
}

/// A source of which some rows are bad rows.
struct SievedSource<F> {
    source: Box<dyn Source>,
    /// The rows that are, ascending, each with the reason.
    faults: F,
}

impl<F: Fn(&RecordBatch) -> Result<Vec<(usize, String)>> + Send> Source for SievedSource<F> {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let (changes, mut bad) = match self.source.poll(rows_max)? {
            SourcePoll::Rows { changes, bad } => (changes, bad),
            other => return Ok(other),
        };
        let faults = (self.faults)(changes.rows())?;
        if faults.is_empty() {
            return Ok(SourcePoll::Rows { changes, bad });
        }
        let mut keep = vec![true; changes.len()];
        let position = self.source.position();
        for (row, reason) in faults {
            keep[row] = false;
            bad.push(BadRow { raw: text_of(changes.rows(), row), reason, position: position.clone() });
        }
        Ok(SourcePoll::Rows { changes: changes.filter(&keep.into())?, bad })
    }

    fn position(&self) -> String {
        self.source.position()
    }

    fn partitions(&self) -> Partitions {
        self.source.partitions()
    }

    fn is_bounded(&self) -> bool {
        self.source.is_bounded()
    }

    fn is_replayable(&self) -> bool {
        self.source.is_replayable()
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.source.give_up()
    }
}

/// The row as people read it.
fn text_of(rows: &RecordBatch, row: usize) -> String {
    let value = |column| arrow_cast::display::array_value_to_string(column, row).unwrap_or_default();
    let shown =
        rows.columns().iter().map(|column| if *column.data_type() == DataType::Null { String::new() } else { value(column) });
    shown.collect::<Vec<_>>().join(",")
}
