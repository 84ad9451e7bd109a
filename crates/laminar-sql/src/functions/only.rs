//! `__only(list)`: the one element of a collected sub-query that stands for a single value; NULL if it has no row.

use std::sync::Arc;

use arrow_array::{Array, UInt32Array, cast::AsArray};
use arrow_schema::DataType;
use arrow_select::take::take;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Takes the single element out of each list.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Only {
    signature: Signature,
}

impl Only {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Only {
    fn name(&self) -> &str {
        "__only"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [DataType::List(element)] => Ok(element.data_type().clone()),
            _ => plan_err!("a sub-query was not collected"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = args.args[0].to_array(args.number_rows)?;
        let lists = lists.as_list::<i32>();
        let mut elements = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            match if lists.is_null(row) { 0 } else { lists.value_length(row) } {
                0 => elements.push(None),
                1 => elements.push(Some(lists.value_offsets()[row] as u32)),
                _ => return exec_err!("more than one row returned by a sub-query that stands for one value"),
            }
        }
        Ok(ColumnarValue::Array(take(&Arc::clone(lists.values()), &UInt32Array::from(elements), None)?))
    }
}
