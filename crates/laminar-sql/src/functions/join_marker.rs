//! The markers that the parser leaves in the conditions of joins by time; `plan/rules` turns them into nodes. None is ever evaluated.

use arrow_schema::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::parse::rewrite::{ASOF, ASOF_NEAREST, LOOKUP, TEMPORAL};

/// A condition that stands for a kind of join.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct JoinMarker {
    name: &'static str,
    signature: Signature,
}

impl JoinMarker {
    /// All markers, to be registered.
    pub(crate) fn all() -> impl Iterator<Item = ScalarUDF> {
        let marker = |name| JoinMarker { name, signature: Signature::variadic_any(Volatility::Immutable) };
        [ASOF, ASOF_NEAREST, TEMPORAL, LOOKUP].into_iter().map(move |name| ScalarUDF::new_from_impl(marker(name)))
    }
}

impl ScalarUDFImpl for JoinMarker {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("the condition of an ASOF join stands in its ON or MATCH_CONDITION only")
    }
}
