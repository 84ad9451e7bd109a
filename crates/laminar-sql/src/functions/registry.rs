//! Puts our functions into a session, in place of DataFusion's of the same names.

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::ScalarUDF;

use super::fill_marker::FillMarker;
use super::join_marker::JoinMarker;
use super::window_marker::WindowMarker;
use super::{bytes, datetime, degrees, numbers, quote, regex, strings, template, whole_numbers};

/// Registers every function of ours.
pub(crate) fn register(state: &mut SessionState) {
    let families = [
        strings::routines(),
        quote::routines(),
        bytes::routines(),
        regex::routines(),
        numbers::routines(),
        whole_numbers::routines(),
        degrees::routines(),
        datetime::routines(),
        template::routines(),
    ];
    let ours = families.into_iter().flatten().map(ScalarUDF::new_from_impl);
    for function in ours.chain(WindowMarker::both()).chain(JoinMarker::all()).chain([FillMarker::function()]) {
        // It answers the function of that name that was there before.
        let _ = state.register_udf(Arc::new(function));
    }
}
