//! `__window_start(time, 'spec', partition…)` and `__window_end(…)`: what the parser leaves where a window bound is meant.
//!
//! They exist between parsing and `plan/rules`, which turns every one into a column of a window node. None is ever evaluated.

use arrow_schema::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::parse::window_call::{WINDOW_END, WINDOW_START, WindowCall};

/// Which bound of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Bound {
    Start,
    End,
}

/// The marker as a DataFusion function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WindowMarker {
    bound: Bound,
    signature: Signature,
}

impl WindowMarker {
    /// Both markers, to be registered.
    pub(crate) fn both() -> [ScalarUDF; 2] {
        [Bound::Start, Bound::End].map(|bound| {
            let signature = Signature::one_of(vec![TypeSignature::VariadicAny], Volatility::Immutable);
            ScalarUDF::new_from_impl(WindowMarker { bound, signature })
        })
    }
}

impl ScalarUDFImpl for WindowMarker {
    fn name(&self) -> &str {
        match self.bound {
            Bound::Start => WINDOW_START,
            Bound::End => WINDOW_END,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(time @ (DataType::Timestamp(..) | DataType::Date32)) => Ok(time.clone()),
            Some(other) => plan_err!("a window needs a TIMESTAMP or DATE column, this one is {other}"),
            None => plan_err!("a window needs a time column"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a window can stand in GROUP BY or in FROM only")
    }
}

/// A window that stands in an expression.
pub(crate) struct Marker {
    pub(crate) bound: Bound,
    pub(crate) time: Expr,
    pub(crate) call: WindowCall,
    pub(crate) partition: Vec<Expr>,
}

/// The marker that `expr` is, if it is one. The only place that reads the text of a window.
pub(crate) fn marker_of(expr: &Expr) -> Result<Option<Marker>> {
    let Expr::ScalarFunction(call) = expr else { return Ok(None) };
    let bound = match call.func.name() {
        WINDOW_START => Bound::Start,
        WINDOW_END => Bound::End,
        _ => return Ok(None),
    };
    let [time, spec, partition @ ..] = call.args.as_slice() else {
        return plan_err!("a window needs a time column and a size");
    };
    let Expr::Literal(ScalarValue::Utf8(Some(spec)) | ScalarValue::Utf8View(Some(spec)) | ScalarValue::LargeUtf8(Some(spec)), _) =
        spec
    else {
        return Err(DataFusionError::Plan("a window's size must be a constant".into()));
    };
    let call = WindowCall::from_spec(spec).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(Some(Marker { bound, time: time.clone(), call, partition: partition.to_vec() }))
}
