//! `VARCHAR(n)`: no text of such a column is longer, by whichever way it comes in.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::ColumnDef;
use laminar_sql::plan::longest_text;

/// The columns of an object whose texts are bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TextLengths {
    bounded: Vec<BoundedColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
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
