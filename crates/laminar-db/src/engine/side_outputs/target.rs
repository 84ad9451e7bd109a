//! The table or sink that `LATE DATA TO` names: which of its columns a late row fills, and the rows in that form.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::take::take_record_batch;
use laminar_connectors::BadRow;
use laminar_core::{Code, Error, NodeId, Result, Span};

use super::bad_rows::bad_rows;
use crate::catalog::ObjectId;
use crate::engine::TableRules;

/// Where a late row stood that its target does not take.
const POSITION: &str = "LATE DATA TO";

/// Where an object's late rows go.
#[derive(Debug, Clone)]
pub(crate) struct LateTarget {
    /// The table or sink.
    pub(crate) object: ObjectId,
    /// The node into which its rows are pushed.
    pub(crate) node: NodeId,
    /// Its columns.
    pub(crate) schema: SchemaRef,
    /// For each of them the late rows' column that fills it; `None`: NULL.
    pub(crate) places: Vec<Option<usize>>,
    /// What must hold for its rows, if it is a table.
    pub(crate) rules: Option<Arc<TableRules>>,
    /// Rows that were passed on.
    pub(crate) rows: u64,
    /// Whether the object has ended, so that nothing more will come from it.
    pub(crate) ended: bool,
}

/// Late rows in the columns of a target.
pub(super) struct Arranged {
    pub(super) rows: RecordBatch,
    /// Rows that the target cannot hold.
    pub(super) misfits: Vec<BadRow>,
}

impl LateTarget {
    /// The source or table `name` for rows that were late with the columns of `late`, and are pushed once more.
    pub(crate) fn for_replay(
        (object, node): (ObjectId, NodeId),
        (name, schema): (&str, &SchemaRef),
        late: &Schema,
        span: Span,
    ) -> Result<Self> {
        let places = places(&format!("'{name}'"), schema, late, span)?;
        if places.iter().all(Option::is_none) {
            let text = format!("'{name}' has no column that late rows have");
            return Err(Error::new(Code::UnknownColumn, text).with_hint(columns_hint(late)).at(span));
        }
        Ok(Self { object, node, schema: schema.clone(), places, rules: None, rows: 0, ended: false })
    }

    /// The only row of `late` with the target's columns, or why the target cannot hold it.
    pub(crate) fn arrange_one(&self, late: &RecordBatch) -> Result<Result<RecordBatch, String>> {
        let arranged = self.arrange(late)?;
        Ok(match arranged.misfits.into_iter().next() {
            Some(misfit) => Err(misfit.reason),
            None => Ok(arranged.rows),
        })
    }

    /// `late` with the target's columns, as far as the target takes it.
    pub(super) fn arrange(&self, late: &RecordBatch) -> Result<Arranged> {
        let arranged = self.in_columns(late)?;
        match &self.rules {
            Some(rules) => self.held_to(rules, arranged),
            None => Ok(arranged),
        }
    }

    /// Without the rows that break a rule, and with generated columns.
    fn held_to(&self, rules: &TableRules, arranged: Arranged) -> Result<Arranged> {
        let Arranged { mut rows, mut misfits } = arranged;
        if rules.are_more_than_types() {
            let (generated, faults) = rules.sorted_out(&rows)?;
            rows = self.without(&generated, faults, &mut misfits)?;
        }
        if !rules.uniques.is_empty() {
            let (taken, claim) = rules.sorted_out_by_keys(&rows)?;
            rows = self.without(&rows, taken, &mut misfits)?;
            claim.note();
        }
        Ok(Arranged { rows, misfits })
    }

    /// `rows` without those in which something was found, which are misfits.
    fn without(&self, rows: &RecordBatch, faults: Vec<(usize, String)>, misfits: &mut Vec<BadRow>) -> Result<RecordBatch> {
        let (bad, reasons): (Vec<u32>, Vec<String>) = faults.into_iter().map(|(row, reason)| (row as u32, reason)).unzip();
        let good: Vec<u32> = (0..rows.num_rows() as u32).filter(|row| bad.binary_search(row).is_err()).collect();
        misfits.extend(bad_rows(&take_record_batch(rows, &UInt32Array::from(bad))?, &reasons, POSITION));
        let good = take_record_batch(rows, &UInt32Array::from(good))?;
        Ok(RecordBatch::try_new(self.schema.clone(), good.columns().to_vec())?)
    }

    /// `late` with the target's columns.
    fn in_columns(&self, late: &RecordBatch) -> Result<Arranged> {
        let rows = late.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.places.len());
        let mut reasons: Vec<Option<String>> = vec![None; rows];
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            let given = place.map_or_else(|| new_null_array(field.data_type(), rows), |place| late.column(place).clone());
            let column = cast(&given, field.data_type())?;
            let name = field.name();
            if column.null_count() > given.null_count() {
                let lost = (0..rows).filter(|row| column.is_null(*row) && given.is_valid(*row));
                lost.for_each(|row| reasons[row] = Some(format!("the value of '{name}' is out of range")));
            }
            if !field.is_nullable() && column.null_count() > 0 {
                let missing = (0..rows).filter(|row| column.is_null(*row));
                missing.for_each(|row| reasons[row] = Some(format!("column '{name}' is NULL, which it must not be")));
            }
            columns.push(column);
        }
        if reasons.iter().all(Option::is_none) {
            return Ok(Arranged { rows: RecordBatch::try_new(self.schema.clone(), columns)?, misfits: Vec::new() });
        }
        let (good, bad): (Vec<u32>, Vec<u32>) = (0..rows as u32).partition(|row| reasons[*row as usize].is_none());
        let good = UInt32Array::from(good);
        let columns = columns.iter().map(|column| arrow_select::take::take(column, &good, None)).collect::<Result<_, _>>()?;
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        let misfits = bad_rows(&take_record_batch(late, &UInt32Array::from(bad))?, &reasons, POSITION);
        Ok(Arranged { rows: RecordBatch::try_new(self.schema.clone(), columns)?, misfits })
    }
}

/// What fills each column of the table `name` whose primary key is `key`. Fails if late rows cannot be inserted into it.
pub(crate) fn places_in_table(
    name: &str,
    table: &Schema,
    key: &[usize],
    late: &Schema,
    span: Span,
) -> Result<Vec<Option<usize>>> {
    let places = places(&format!("table '{name}'"), table, late, span)?;
    for (index, (field, place)) in table.fields().iter().zip(&places).enumerate() {
        if place.is_none() && (!field.is_nullable() || key.contains(&index)) {
            let what = if key.contains(&index) { "in the primary key" } else { "NOT NULL" };
            let text = format!("column '{}' of table '{name}' is {what}, and late rows have no such column", field.name());
            return Err(Error::new(Code::UnknownColumn, text).with_hint(columns_hint(late)).at(span));
        }
    }
    if places.iter().all(Option::is_none) {
        let text = format!("table '{name}' has no column that late rows have");
        return Err(Error::new(Code::UnknownColumn, text).with_hint(columns_hint(late)).at(span));
    }
    Ok(places)
}

/// What fills each column of the sink `name`, whose columns were settled by another writer. Fails if one would be lost.
pub(crate) fn places_in_sink(name: &str, sink: &Schema, late: &Schema, span: Span) -> Result<Vec<Option<usize>>> {
    let lost = late.fields().iter().find(|field| sink.index_of(field.name()).is_err());
    if let Some(lost) = lost {
        let text = format!("late rows have a column '{}', which sink '{name}' has not", lost.name());
        let hint = format!("the first query that wrote into it gave it its columns: {}; create another sink", columns(sink));
        return Err(Error::new(Code::UnknownColumn, text).with_hint(hint).at(span));
    }
    places(&format!("sink '{name}'"), sink, late, span)
}

/// The columns of `late` by the names of `target`, if their types fit.
fn places(what: &str, target: &Schema, late: &Schema, span: Span) -> Result<Vec<Option<usize>>> {
    let mut places = Vec::with_capacity(target.fields().len());
    for field in target.fields() {
        let place = late.index_of(field.name()).ok();
        if let Some(given) = place.map(|place| late.field(place).data_type())
            && !fits(given, field.data_type())
        {
            let (name, wanted) = (field.name(), field.data_type());
            let text = format!("column '{name}' of {what} is {wanted}, but late rows have {given} there");
            return Err(Error::new(Code::TypeMismatch, text).with_hint(columns_hint(late)).at(span));
        }
        places.push(place);
    }
    Ok(places)
}

fn columns_hint(late: &Schema) -> String {
    format!("late rows have: {}", columns(late))
}

/// Names and types, for messages.
fn columns(schema: &Schema) -> String {
    let column = |field: &arrow_schema::FieldRef| format!("{} {}", field.name(), field.data_type());
    schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Whether every value of type `from` is also one of type `to`: a late row has no statement that could fail later.
fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let is_text = |data_type: &DataType| matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    let bytes = |data_type: &DataType| data_type.primitive_width().unwrap_or(usize::MAX);
    match (from, to) {
        _ if from == to => true,
        (D::Timestamp(given, given_zone), D::Timestamp(wanted, wanted_zone)) => {
            wanted >= given && given_zone.is_some() == wanted_zone.is_some()
        }
        (D::Float32, D::Float64) => true,
        _ if from.is_integer() && to == &D::Float64 => bytes(from) <= 4,
        _ if from.is_integer() && to.is_integer() => {
            let same_sign = from.is_signed_integer() == to.is_signed_integer();
            bytes(from) < bytes(to) && (same_sign || to.is_signed_integer())
        }
        _ => is_text(from) && is_text(to),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow_schema::{Field, TimeUnit};

    use super::*;

    #[test]
    fn a_type_fits_if_no_value_is_lost() {
        use DataType as D;
        let ts = |unit| D::Timestamp(unit, None);
        let fitting = [
            (D::Int32, D::Int64),
            (D::UInt32, D::Int64),
            (D::Int32, D::Float64),
            (D::Float32, D::Float64),
            (D::LargeUtf8, D::Utf8),
            (ts(TimeUnit::Millisecond), ts(TimeUnit::Nanosecond)),
            (D::Timestamp(TimeUnit::Second, Some("UTC".into())), D::Timestamp(TimeUnit::Second, Some("+00:00".into()))),
        ];
        for (from, to) in fitting {
            assert!(fits(&from, &to), "{from} into {to}");
            assert!(fits(&from, &from), "{from} into itself");
        }
        let others = [
            (D::Int64, D::Int32),
            (D::Int64, D::UInt64),
            (D::UInt64, D::Int64),
            (D::Int64, D::Float64),
            (D::Int64, D::Utf8),
            (ts(TimeUnit::Nanosecond), ts(TimeUnit::Millisecond)),
            (ts(TimeUnit::Second), D::Timestamp(TimeUnit::Second, Some("UTC".into()))),
            (D::Utf8, ts(TimeUnit::Second)),
        ];
        for (from, to) in others {
            assert!(!fits(&from, &to), "{from} into {to}");
        }
    }

    #[test]
    fn rows_that_the_target_cannot_hold_do_not_take_the_others_along() {
        let field = |name: &str, unit, nullable| Field::new(name, DataType::Timestamp(unit, None), nullable);
        let (micro, nano) = (TimeUnit::Microsecond, TimeUnit::Nanosecond);
        let late = Schema::new(vec![field("ts", micro, true), Field::new("v", DataType::Int64, true)]);
        let wanted =
            vec![Field::new("v", DataType::Int64, false), Field::new("note", DataType::Utf8, true), field("ts", nano, true)];
        let schema = Arc::new(Schema::new(wanted));
        let places = places_in_table("t", &schema, &[], &late, Span { start: 0, end: 0 }).unwrap();
        assert_eq!(places, [Some(1), None, Some(0)]);
        let target =
            LateTarget { object: ObjectId::UNNAMED, node: NodeId(0), schema, places, rules: None, rows: 0, ended: false };
        let times = TimestampMicrosecondArray::from(vec![Some(1), None, Some(i64::MAX), Some(2)]);
        let values = Int64Array::from(vec![Some(10), Some(20), Some(30), None]);
        let rows = RecordBatch::try_new(Arc::new(late), vec![Arc::new(times), Arc::new(values)]).unwrap();
        let arranged = target.arrange(&rows).unwrap();
        assert_eq!(arranged.rows.column(0).as_ref(), &Int64Array::from(vec![10, 20]));
        assert_eq!(arranged.rows.column(1).as_ref(), &StringArray::from(vec![None::<&str>, None]));
        let reasons: Vec<&str> = arranged.misfits.iter().map(|misfit| misfit.reason.as_str()).collect();
        assert_eq!(reasons, ["the value of 'ts' is out of range", "column 'v' is NULL, which it must not be"]);
    }
}
