//! Makes columns that have types already fit a declared schema: by name, with casts that lose nothing unseen.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_cast::display::ArrayFormatter;
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use laminar_core::{Code, Error, Result};

use super::csv::FORMAT;
use super::names::{find_column, missing_column};
use super::type_name::type_name;

/// A way from the columns of a file to those of a source.
#[derive(Debug)]
pub struct Conform {
    schema: SchemaRef,
    /// The columns that are needed, by their place in the file, ascending.
    projection: Vec<usize>,
    /// For each target column its place in the projection.
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
    /// Finds each column of `wanted` in `file` and checks that its type can be reached; `place` is what messages call
    /// the file.
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
        Ok(Self { schema: wanted, projection, places })
    }

    /// The columns to read, by their place in the file, ascending.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The rows of a batch of the projected columns that fit, and those that do not.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<Misfit>)> {
        let mut columns = Vec::with_capacity(self.places.len());
        let mut faults: Vec<(usize, String)> = Vec::new();
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            let column = batch.column(*place);
            let converted = convert(column, field.data_type())?;
            faults.extend(faults_of(column, &converted, field)?);
            columns.push(converted);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        if faults.is_empty() {
            return Ok((RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?, Vec::new()));
        }
        // A row with several faults is told by its first column.
        faults.sort_by_key(|(row, _)| *row);
        faults.dedup_by_key(|(row, _)| *row);
        let kept = self.without(&faults, columns, batch.num_rows())?;
        let misfits = faults.into_iter().map(|(row, reason)| Ok(Misfit { row, picture: picture(batch, row)?, reason }));
        Ok((kept, misfits.collect::<Result<_>>()?))
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

/// The types that sources give when none are declared: the plain form of each Arrow layout.
pub fn plain_schema(file: &Schema) -> SchemaRef {
    let plain = |field: &FieldRef| Field::new(field.name(), plain_type(field.data_type()), field.is_nullable());
    Arc::new(Schema::new(file.fields().iter().map(plain).collect::<Vec<_>>()))
}

fn plain_type(data_type: &DataType) -> DataType {
    use DataType as D;
    let plain_field = |field: &FieldRef| Arc::new(Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()));
    match data_type {
        D::LargeUtf8 | D::Utf8View => D::Utf8,
        D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::Dictionary(_, values) => plain_type(values),
        D::RunEndEncoded(_, values) => plain_type(values.data_type()),
        D::Float16 => D::Float32,
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => D::List(plain_field(item)),
        D::Struct(fields) => D::Struct(fields.iter().map(plain_field).collect()),
        other => other.clone(),
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// Refuses casts that do not exist or would need a guess.
fn check_types(from: &Field, to: &Field, place: &str) -> Result<()> {
    let (have, want) = (from.data_type(), to.data_type());
    let guess = (have.is_numeric() && is_time(want)) || (is_time(have) && want.is_numeric());
    let mixed = (*have == DataType::Boolean) != (*want == DataType::Boolean) && (have.is_numeric() || want.is_numeric());
    if have == want || (!guess && !mixed && can_cast_types(have, want)) {
        return Ok(());
    }
    let (have, want) = (type_name(have), type_name(want));
    let error =
        Error::new(Code::TypeMismatch, format!("column '{}' of {place} is {have}, which cannot become {want}", from.name()));
    Err(match guess {
        true => error.with_hint(format!("declare it {have} and convert it in a query, where the unit can be said")),
        false => error.with_hint(format!("declare it {have}")),
    })
}

/// The column as `wanted`; what does not fit becomes NULL.
fn convert(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if column.data_type() == wanted {
        return Ok(column.clone());
    }
    let options = CastOptions { safe: true, ..Default::default() };
    let cast = cast_with_options(column, wanted, &options)?;
    if is_float(column.data_type()) && wanted.is_integer() {
        return only_whole(column, cast);
    }
    Ok(cast)
}

/// NULL where the float had a fraction: an integer column must not lose it unseen.
fn only_whole(floats: &ArrayRef, integers: ArrayRef) -> Result<ArrayRef> {
    let floats = cast_with_options(floats, &DataType::Float64, &CastOptions::default())?;
    let floats = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Float64Type>(&floats);
    let fractional: BooleanArray = floats.iter().map(|value| Some(value.is_some_and(|value| value.fract() != 0.0))).collect();
    Ok(arrow_select::nullif::nullif(&integers, &fractional)?)
}

/// Rows whose value was lost, and rows that are NULL where that is not allowed.
fn faults_of(before: &ArrayRef, after: &ArrayRef, field: &Field) -> Result<Vec<(usize, String)>> {
    if after.null_count() == 0 {
        return Ok(Vec::new());
    }
    let had = before.logical_nulls();
    let was_null = |row: usize| had.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let suspicious = (0..after.len()).filter(|row| after.is_null(*row) && (!field.is_nullable() || !was_null(*row)));
    let formatter = ArrayFormatter::try_new(before, &FORMAT)?;
    let reason = |row: usize| match was_null(row) {
        true => format!("column '{}': NULL, but the column is NOT NULL", field.name()),
        false => {
            let kind = type_name(field.data_type());
            format!("column '{}': {} does not fit {kind}", field.name(), formatter.value(row))
        }
    };
    Ok(suspicious.map(|row| (row, reason(row))).collect())
}

/// A row as a message shows it: `{a: 1, b: x}`.
fn picture(batch: &RecordBatch, row: usize) -> Result<String> {
    let schema = batch.schema();
    let show = |(field, column): (&FieldRef, &ArrayRef)| {
        let formatter = ArrayFormatter::try_new(column, &FORMAT)?;
        let value = if column.is_null(row) { "NULL".to_owned() } else { formatter.value(row).to_string() };
        Ok(format!("{}: {value}", field.name()))
    };
    let values = schema.fields().iter().zip(batch.columns()).map(show).collect::<Result<Vec<_>>>()?;
    Ok(format!("{{{}}}", values.join(", ")))
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
    fn columns_come_by_name_in_the_declared_order_and_misfits_are_put_aside() {
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
