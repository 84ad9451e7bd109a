//! Makes columns that have types already fit a declared schema: by name, and row by row the same or refused.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use laminar_core::{Code, Error, Result};

use super::exact::{can_become, convert};
use super::names::{find_column, missing_column};
use super::packed::shown;
use super::type_name::type_name;

/// Bytes of the picture of a row at most.
const PICTURE_BYTES_MAX: usize = 4096;

/// A way from the columns of a file to those of a source.
#[derive(Debug)]
pub struct Conform {
    schema: SchemaRef,
    /// The columns that are needed, by their index in the file, ascending.
    projection: Vec<usize>,
    /// What the layouts of those columns stand for.
    plain: Vec<DataType>,
    /// For each target column its index in the projection.
    places: Vec<usize>,
}

/// A row that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its place in the batch that came in.
    pub row: usize,
    /// A picture of it.
    pub picture: String,
    /// The column and value at fault.
    pub reason: String,
}

impl Conform {
    /// Finds each column of `wanted` in `file`, whose types are plain ones, and checks that its type can be reached;
    /// `place` is what messages call the file.
    pub fn new(file: &Schema, wanted: SchemaRef, place: &str) -> Result<Self> {
        let names: Vec<&str> = file.fields().iter().map(|field| field.name().as_str()).collect();
        let find = |field: &FieldRef| {
            let index = find_column(field.name(), &names).ok_or_else(|| missing_column(field.name(), &names, place))?;
            check_types(file.field(index), field, place)?;
            Ok(index)
        };
        let found = wanted.fields().iter().map(find).collect::<Result<Vec<usize>>>()?;
        let mut projection = found.clone();
        projection.sort_unstable();
        projection.dedup();
        let places = found.iter().map(|index| projection.partition_point(|place| place < index)).collect();
        let plain = projection.iter().map(|index| file.field(*index).data_type().clone()).collect();
        Ok(Self { schema: wanted, projection, plain, places })
    }

    /// The columns to read, by their index in the file, ascending.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The rows of a batch of the projected columns that fit, and those that do not.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<Misfit>)> {
        let mut columns = Vec::with_capacity(self.places.len());
        let mut faults: Vec<(usize, String)> = Vec::new();
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            let column = batch.column(*place);
            let (converted, wrong) = convert(column, &self.plain[*place], field.data_type())?;
            faults.extend(wrong.into_iter().map(|(row, reason)| (row, format!("column '{}': {reason}", field.name()))));
            faults.extend(forbidden_nulls(column, &converted, field));
            columns.push(converted);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        if faults.is_empty() {
            return Ok((RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?, Vec::new()));
        }
        // A row with several faults is told by its first column, since the sort is stable.
        faults.sort_by_key(|(row, _)| *row);
        faults.dedup_by_key(|(row, _)| *row);
        let kept = self.without(&faults, columns, batch.num_rows())?;
        let misfits = faults.into_iter().map(|(row, reason)| Misfit { row, picture: self.picture(batch, row), reason });
        Ok((kept, misfits.collect()))
    }

    /// A row as a message shows it: `{a: 1, b: x}`, cut if it is long.
    fn picture(&self, batch: &RecordBatch, row: usize) -> String {
        let schema = batch.schema();
        let mut picture = String::from("{");
        for ((field, column), plain) in schema.fields().iter().zip(batch.columns()).zip(&self.plain) {
            if picture.len() > PICTURE_BYTES_MAX {
                picture.push('…');
                break;
            }
            let comma = if picture.len() > 1 { ", " } else { "" };
            picture.push_str(&format!("{comma}{}: {}", field.name(), shown(column, plain, row)));
        }
        picture.push('}');
        picture
    }

    /// The columns without the faulty rows. The check for NOT NULL comes after the faulty rows have gone.
    fn without(&self, faults: &[(usize, String)], columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let mut good = vec![true; rows];
        for (row, _) in faults {
            good[*row] = false;
        }
        let loose: Vec<_> = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let all = RecordBatch::try_new(Arc::new(Schema::new(loose)), columns)?;
        let kept = filter_record_batch(&all, &BooleanArray::from(good))?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), kept.columns().to_vec(), &options)?)
    }
}

/// Refuses what would need a guess.
fn check_types(from: &Field, to: &Field, place: &str) -> Result<()> {
    let (have, want) = (from.data_type(), to.data_type());
    if can_become(have, want) {
        return Ok(());
    }
    let guess = (have.is_numeric() && want.is_temporal()) || (have.is_temporal() && want.is_numeric());
    let (have, want) = (type_name(have), type_name(want));
    let error =
        Error::new(Code::TypeMismatch, format!("column '{}' of {place} is {have}, which cannot become {want}", from.name()));
    Err(match guess {
        true => error.with_hint(format!("declare it {have} and convert it in a query, where the unit can be said")),
        false => error.with_hint(format!("declare it {have}")),
    })
}

/// Rows that are NULL where that is not allowed, and were so before.
fn forbidden_nulls(before: &ArrayRef, after: &ArrayRef, field: &Field) -> Vec<(usize, String)> {
    if field.is_nullable() || after.null_count() == 0 {
        return Vec::new();
    }
    let nulls = before.logical_nulls();
    let was_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let reason = format!("column '{}': NULL, but the column is NOT NULL", field.name());
    (0..before.len()).filter(|row| was_null(*row)).map(|row| (row, reason.clone())).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{Float64Array, Int64Array, StringArray};
    use arrow_schema::TimeUnit;

    use super::*;

    fn batch() -> RecordBatch {
        let large = arrow_cast::cast(&StringArray::from(vec![Some("x"), None, Some("z")]), &DataType::LargeUtf8).unwrap();
        RecordBatch::try_from_iter_with_nullable([
            ("Name", large, true),
            ("n", Arc::new(Int64Array::from(vec![1, 2, 1 << 40])) as ArrayRef, true),
            ("f", Arc::new(Float64Array::from(vec![1.0, 2.5, f64::NAN])) as ArrayRef, true),
        ])
        .unwrap()
    }

    fn conform(fields: Vec<Field>) -> Result<(RecordBatch, Vec<Misfit>)> {
        let batch = batch();
        let conform = Conform::new(&batch.schema(), Arc::new(Schema::new(fields)), "'a.parquet'")?;
        conform.apply(&batch.project(conform.projection()).unwrap())
    }

    #[test]
    fn columns_come_by_name_in_the_declared_order_and_misfits_are_rejected() {
        let fields = vec![Field::new("n", DataType::Int32, true), Field::new("name", DataType::Utf8, false)];
        let (rows, bad) = conform(fields).unwrap();
        assert_eq!(rows.column(0).as_primitive::<Int32Type>().values(), &[1]);
        assert_eq!(rows.column(1).as_string::<i32>().value(0), "x");
        let told: Vec<_> = bad.iter().map(|bad| (bad.row, bad.reason.as_str(), bad.picture.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, "column 'name': NULL, but the column is NOT NULL", "{Name: NULL, n: 2}"),
                (2, "column 'n': 1099511627776 does not fit INTEGER", "{Name: z, n: 1099511627776}"),
            ]
        );
    }

    #[test]
    fn a_fraction_is_not_lost_unseen() {
        let (rows, bad) = conform(vec![Field::new("f", DataType::Int64, true)]).unwrap();
        assert_eq!((rows.num_rows(), bad.len()), (1, 2));
    }

    #[test]
    fn a_missing_column_or_a_guess_is_refused() {
        let missing = conform(vec![Field::new("nmae", DataType::Utf8, true)]).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "LDB-1003: 'a.parquet' has no column 'nmae'; hint: did you mean 'Name'? its columns are: Name, n, f"
        );
        let guess = conform(vec![Field::new("n", DataType::Timestamp(TimeUnit::Nanosecond, None), true)]).unwrap_err();
        assert_eq!(
            guess.to_string(),
            "LDB-1007: column 'n' of 'a.parquet' is BIGINT, which cannot become TIMESTAMP; \
             hint: declare it BIGINT and convert it in a query, where the unit can be said"
        );
    }
}
