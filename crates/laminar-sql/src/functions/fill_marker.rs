//! The marker that the parser leaves in HAVING where a FILL stands; `plan/rules/fill_windows.rs` takes it out. It is never evaluated.

use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use laminar_core::Span;

use crate::parse::rewrite::{FILL, FillKind};

/// The marker as a DataFusion function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct FillMarker {
    signature: Signature,
}

impl FillMarker {
    /// The marker, to be registered.
    pub(crate) fn function() -> ScalarUDF {
        ScalarUDF::new_from_impl(Self { signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for FillMarker {
    fn name(&self) -> &str {
        FILL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("FILL stands behind GROUP BY and HAVING only")
    }
}

/// A FILL clause.
#[derive(Debug, Clone)]
pub(crate) struct FillClause {
    /// Where it stands in the statement.
    pub(crate) span: Span,
    /// How many columns the SELECT has.
    pub(crate) columns: usize,
    /// What stands in windows without rows: the kind, and the value where that is one.
    pub(crate) values: Vec<(FillKind, Expr)>,
}

/// The clause that `expr` stands for, if it is a marker.
pub(crate) fn fill_clause_of(expr: &Expr) -> Result<Option<FillClause>> {
    let Expr::ScalarFunction(call) = expr else { return Ok(None) };
    if call.name() != FILL {
        return Ok(None);
    }
    let number = |expr: &Expr| match expr {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) => usize::try_from(number).ok(),
            _ => None,
        },
        _ => None,
    };
    let kind = |expr: &Expr| match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().and_then(FillKind::of),
        _ => None,
    };
    let [start, end, columns, values @ ..] = call.args.as_slice() else { return internal_err!("a FILL without values") };
    let (Some(start), Some(end), Some(columns)) = (number(start), number(end), number(columns)) else {
        return internal_err!("a FILL without a place");
    };
    let pairs = values.chunks_exact(2).map(|pair| Some((kind(&pair[0])?, pair[1].clone())));
    match pairs.collect::<Option<Vec<_>>>() {
        Some(values) => Ok(Some(FillClause { span: Span { start, end }, columns, values })),
        None => internal_err!("a FILL with values of an unknown kind"),
    }
}
