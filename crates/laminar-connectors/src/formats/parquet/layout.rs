//! Which Arrow layout each column of a Parquet file is decoded into, and which plain type it has.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, TimeUnit};

use super::columns::{Leaf, Meaning};

/// The columns in the types that sources give when none are declared. Within lists, structs and maps values may be NULL, as
/// in the types that SQL can declare.
pub(super) fn plain_schema(shape: &Fields, leaves: &[Leaf]) -> Schema {
    let mut walk = Walk { next: 0, map: |leaf: usize, data_type: &DataType| plain_type(data_type, leaves[leaf].meaning) };
    let plain = |field: &FieldRef| Field::new(field.name(), loose(&walk.data_type(field.data_type())), field.is_nullable());
    Schema::new(shape.iter().map(plain).collect::<Vec<_>>())
}

/// The columns as they are decoded: texts and bytes as such, or as views into pages where `as_views` says so, so that a
/// text which stands in a page once and is used a thousand times takes memory once. Views are not checked for UTF-8.
pub(super) fn decoded_fields(shape: &Fields, leaves: &[Leaf], as_views: &[bool]) -> Fields {
    let map = |leaf: usize, data_type: &DataType| decoded_type(data_type, leaves[leaf].meaning, as_views[leaf]);
    Walk { next: 0, map }.fields(shape)
}

/// A walk over all leaves that gives them other types. Lists of all layouts become the usual one, and a dictionary its values.
struct Walk<F> {
    next: usize,
    map: F,
}

impl<F: Fn(usize, &DataType) -> DataType> Walk<F> {
    fn fields(&mut self, fields: &Fields) -> Fields {
        fields.iter().map(|field| self.field(field)).collect()
    }

    fn field(&mut self, field: &FieldRef) -> FieldRef {
        Arc::new(Field::new(field.name(), self.data_type(field.data_type()), field.is_nullable()))
    }

    fn data_type(&mut self, data_type: &DataType) -> DataType {
        use DataType as D;
        match data_type {
            D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) | D::ListView(item) | D::LargeListView(item) => {
                D::List(self.field(item))
            }
            D::Struct(fields) => D::Struct(self.fields(fields)),
            D::Map(entries, _) => D::Map(self.field(entries), false),
            D::Dictionary(_, values) => self.data_type(values),
            D::RunEndEncoded(_, values) => self.data_type(values.data_type()),
            leaf => {
                self.next += 1;
                (self.map)(self.next - 1, leaf)
            }
        }
    }
}

/// The type with NULLs allowed within, but for keys of maps.
fn loose(data_type: &DataType) -> DataType {
    use DataType as D;
    let inner = |field: &FieldRef| Arc::new(Field::new(field.name(), loose(field.data_type()), true));
    match data_type {
        D::List(item) => D::List(inner(item)),
        D::Struct(fields) => D::Struct(fields.iter().map(inner).collect()),
        D::Map(entries, sorted) => match entries.data_type() {
            D::Struct(pair) => {
                let pair = pair.iter().enumerate().map(|(index, field)| inner(field).as_ref().clone().with_nullable(index > 0));
                D::Map(Arc::new(Field::new(entries.name(), D::Struct(pair.collect()), false)), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

fn plain_type(data_type: &DataType, meaning: Meaning) -> DataType {
    use DataType as D;
    match (meaning, data_type) {
        (Meaning::Text | Meaning::Uuid, _) => D::Utf8,
        (Meaning::Int96, D::Timestamp(_, zone)) => D::Timestamp(TimeUnit::Microsecond, zone.clone()),
        (Meaning::Interval, _) => D::Interval(IntervalUnit::MonthDayNano),
        (_, D::LargeUtf8 | D::Utf8View) => D::Utf8,
        (_, D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_)) => D::Binary,
        // A column of NULLs has no type; text is what an empty column of a text file is.
        (_, D::Null) => D::Utf8,
        (_, D::Float16) => D::Float32,
        (_, D::Decimal32(precision, scale) | D::Decimal64(precision, scale)) => D::Decimal128(*precision, *scale),
        (_, D::Decimal256(precision, scale)) if *precision <= arrow_schema::DECIMAL128_MAX_PRECISION => {
            D::Decimal128(*precision, *scale)
        }
        (_, other) => other.clone(),
    }
}

fn decoded_type(data_type: &DataType, meaning: Meaning, as_view: bool) -> DataType {
    use DataType as D;
    let is_text = meaning == Meaning::Text || matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    match data_type {
        _ if meaning == Meaning::Int96 => D::FixedSizeBinary(12),
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Binary | D::LargeBinary | D::BinaryView => match (as_view, is_text) {
            (true, _) => D::BinaryView,
            (false, true) => D::Utf8,
            (false, false) => D::Binary,
        },
        // As the file has them: a hint could only be for another width.
        other => other.clone(),
    }
}
