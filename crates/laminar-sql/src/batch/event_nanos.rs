//! Event time as nanoseconds, or NULL: a function that only ad-hoc queries over sessions use.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use laminar_core::time::event_time::to_nanos;

/// Nanoseconds of a time that is at least `margin` away from the ends of event time. NULL for others, which belong to no window.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct EventNanos {
    margin: i64,
    signature: Signature,
}

impl EventNanos {
    pub(super) fn new(margin: i64) -> Self {
        Self { margin, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EventNanos {
    fn name(&self) -> &str {
        "__event_nanos"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let time = args.args[0].to_array(args.number_rows)?;
        let nanos = to_nanos(&time).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let reach = i64::MIN + self.margin..=i64::MAX - self.margin;
        Ok(ColumnarValue::Array(Arc::new(nanos.unary_opt::<_, Int64Type>(|time| reach.contains(&time).then_some(time)))))
    }
}
