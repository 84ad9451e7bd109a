//! PostgreSQL's names for functions that DataFusion has, and the functions that rewritten syntax calls.

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::functions_aggregate::variance::var_samp_udaf;
use datafusion::functions_nested::replace::array_replace_all_udf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use super::quantified::Quantified;
use super::{array_remove, float_extremes, like_pattern, ordered_set};

/// Puts the functions of this room that queries can name, or that the parser names, among the others.
pub(crate) fn register_shapes(registry: &mut dyn FunctionRegistry) {
    let scalars = Quantified::all().into_iter().chain([ScalarUDF::new_from_impl(like_pattern::LikePattern::new())]);
    for function in scalars.chain(all_matches()) {
        // Registration can only replace a function of that name; there is none.
        let _ = registry.register_udf(Arc::new(function));
    }
    let aggregates = ordered_set::OrderedSet::all().into_iter().chain(float_extremes::FloatExtreme::both());
    for function in aggregates.chain(postgres_names()) {
        let _ = registry.register_udaf(Arc::new(function));
    }
}

/// PostgreSQL's `array_remove` and `array_replace` take all equal elements; DataFusion's functions of these names the first one.
fn all_matches() -> [ScalarUDF; 2] {
    let replace = ScalarUDF::clone(&array_replace_all_udf()).with_aliases(["array_replace"]);
    [ScalarUDF::new_from_impl(array_remove::ArrayRemove::new()), replace]
}

/// DataFusion's functions under the names that PostgreSQL has for them.
fn postgres_names() -> [AggregateUDF; 2] {
    let renamed = |function: Arc<AggregateUDF>, name| AggregateUDF::clone(&function).with_aliases([name]);
    [renamed(var_samp_udaf(), "variance"), renamed(bool_and_udaf(), "every")]
}
