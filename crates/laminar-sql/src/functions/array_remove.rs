//! `array_remove(array, element)` as in PostgreSQL: all elements that are not distinct from `element` go, so NULL takes the NULLs out.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef};
use arrow_select::filter::filter;
use arrow_select::zip::zip;
use datafusion::common::Result;
use datafusion::functions_nested::remove::array_remove_all_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

/// DataFusion's function where the element has a value, ours where it is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ArrayRemove {
    of_values: Arc<ScalarUDF>,
}

impl ArrayRemove {
    pub(crate) fn new() -> Self {
        Self { of_values: array_remove_all_udf() }
    }
}

impl ScalarUDFImpl for ArrayRemove {
    fn name(&self) -> &str {
        "array_remove"
    }

    fn signature(&self) -> &Signature {
        self.of_values.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let array = &args.arg_fields[0];
        Ok(Arc::new(array.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (rows, return_type) = (args.number_rows, args.return_field.data_type().clone());
        let (lists, elements) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
        let without = match lists.as_list_opt::<i32>() {
            Some(lists) if elements.logical_null_count() > 0 => Some(without_nulls(lists)?),
            _ => None,
        };
        let of_values = self.of_values.invoke_with_args(args)?;
        let Some(without) = without else { return Ok(of_values) };
        let is_null: BooleanArray = (0..rows).map(|row| Some(elements.is_null(row))).collect();
        let of_values = of_values.to_array(rows)?;
        let without = arrow_cast::cast(&without, &return_type)?;
        let of_values = arrow_cast::cast(&of_values, &return_type)?;
        Ok(ColumnarValue::Array(zip(&is_null, &without, &of_values)?))
    }
}

/// The arrays without their NULLs; an array that is NULL stays so.
fn without_nulls(lists: &ListArray) -> Result<ArrayRef> {
    let values = lists.values();
    let mut keep = BooleanBufferBuilder::new(values.len());
    keep.append_n(values.len(), false);
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let (start, end) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
        let kept = (start..end).filter(|at| lists.is_valid(row) && values.is_valid(*at));
        lengths.push(kept.map(|at| keep.set_bit(at, true)).count());
    }
    let DataType::List(field) = lists.data_type() else { unreachable!("a list array has the type of a list") };
    let kept = filter(values, &BooleanArray::new(keep.finish(), None))?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), OffsetBuffer::from_lengths(lengths), kept, lists.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;

    use super::*;

    #[test]
    fn nulls_go_and_the_rest_stays_in_its_order() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None, Some(2), None]),
            None,
            Some(vec![]),
            Some(vec![None]),
            Some(vec![Some(3)]),
        ]);
        let expected = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![]),
            Some(vec![]),
            Some(vec![Some(3)]),
        ]);
        assert_eq!(without_nulls(&lists).unwrap().as_ref(), &expected as &dyn Array);
        assert_eq!(without_nulls(&lists.slice(2, 3)).unwrap().as_ref(), &expected.slice(2, 3) as &dyn Array);
    }
}
