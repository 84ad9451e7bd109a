//! Rows as an aligned table that grows: the header once, later rows in the widths of the first ones.

use arrow_array::RecordBatch;
use arrow_schema::{DataType, FieldRef};
use laminar_core::Result;

use crate::formats::value::{Shown, plain};
use crate::formats::{Encoder, Unwritable};

/// Characters that a column may reserve before its values are known to need more.
const COLUMN_CHARS_MAX: usize = 60;

/// Writes `a | b` lines; numbers to the right, NULL as nothing.
#[derive(Debug, Default)]
pub struct TableEncoder {
    /// Characters of each column; empty before the header.
    widths: Vec<usize>,
}

impl Encoder for TableEncoder {
    fn encode(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<Vec<Unwritable>> {
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let rows = &plain(rows)?;
        let fields = rows.schema_ref().fields().iter();
        let columns = fields.zip(rows.columns()).map(|(field, array)| shown(field, array)).collect::<Result<Vec<_>>>()?;
        let right: Vec<bool> = rows.columns().iter().map(|array| is_right(array.data_type())).collect();
        if self.widths.is_empty() {
            self.header(rows, &columns, out);
        }
        for row in 0..rows.num_rows() {
            let cells = columns.iter().map(|column| column[row].as_str());
            line(cells, &self.widths, &right, out);
        }
        Ok(Vec::new())
    }
}

impl TableEncoder {
    fn header(&mut self, rows: &RecordBatch, columns: &[Vec<String>], out: &mut Vec<u8>) {
        let schema = rows.schema();
        let width = |(index, column): (usize, &Vec<String>)| {
            let name = schema.field(index).name().chars().count();
            let values = column.iter().map(|value| value.chars().count()).max().unwrap_or(0);
            name.max(values.min(COLUMN_CHARS_MAX))
        };
        self.widths = columns.iter().enumerate().map(width).collect();
        line(schema.fields().iter().map(|field| field.name().as_str()), &self.widths, &[], out);
        let rules: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
        out.extend_from_slice(rules.join("-+-").as_bytes());
        out.push(b'\n');
    }
}

/// The values as text, line ends escaped so that a row stays a line.
fn shown(field: &FieldRef, array: &dyn arrow_array::Array) -> Result<Vec<String>> {
    let (mut column, mut scratch) = (Shown::new(field, array)?, Vec::new());
    let mut value = |row| match column.value(row, &mut scratch) {
        None => String::new(),
        Some(text) => String::from_utf8_lossy(text).replace('\n', "\\n").replace('\r', "\\r"),
    };
    Ok((0..array.len()).map(&mut value).collect())
}

fn is_right(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], right: &[bool], out: &mut Vec<u8>) {
    let start = out.len();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.extend_from_slice(b" | ");
        }
        let pad = " ".repeat(widths[index].saturating_sub(cell.chars().count()));
        let (before, after) = if right.get(index).is_some_and(|right| *right) { (pad.as_str(), "") } else { ("", pad.as_str()) };
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(cell.as_bytes());
        out.extend_from_slice(after.as_bytes());
    }
    while out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
    out.push(b'\n');
}
