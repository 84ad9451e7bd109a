//! Clauses that belong to aggregates and window functions, in calls of other functions: DataFusion's planner leaves them out without a word.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, Query, Spanned, Visitor,
};
use laminar_core::{Code, Error, Result};

use super::errors::from_sqlparser;
use crate::ast_walk::walk;
use crate::parse::names;

/// Fails if a call in `query` has a clause that means nothing for its function. `text` is the statement's text, for positions.
pub(crate) fn refuse_clauses_of_scalars(query: &Query, state: &SessionState, text: &str) -> Result<()> {
    match walk(query, &mut Calls { state, text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Calls<'a> {
    state: &'a SessionState,
    text: &'a str,
}

/// Functions OVER rows that can leave NULLs out.
const READ_BY_NULLS: [&str; 5] = ["lag", "lead", "first_value", "last_value", "nth_value"];

impl Visitor for Calls<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let Some(error) = self.refused(call) else { return ControlFlow::Continue(()) };
        ControlFlow::Break(error.at(from_sqlparser(self.text, expr.span())))
    }
}

impl Calls<'_> {
    fn refused(&self, call: &Function) -> Option<Error> {
        let name = match call.name.0.as_slice() {
            [part] => names::of_ident(part.as_ident()?),
            _ => return None,
        };
        let (aggregates, windows) = (self.state.aggregate_functions(), self.state.window_functions());
        let is_over_rows = aggregates.contains_key(&name) || windows.contains_key(&name);
        if is_over_rows {
            let is_ignored = call.null_treatment.is_some() && call.over.is_some() && !READ_BY_NULLS.contains(&name.as_str());
            let text = format!("IGNORE NULLS and RESPECT NULLS mean nothing for {name}()");
            let hint = format!("leave them out; they go with {}", READ_BY_NULLS.join(", "));
            return is_ignored.then(|| Error::new(Code::InvalidQuery, text).with_hint(hint));
        }
        if !self.state.scalar_functions().contains_key(&name) {
            return None;
        }
        let clause = clause_of(call)?;
        let text = format!("{clause} in a call of {name}(), which is neither an aggregate nor a window function");
        Some(Error::new(Code::InvalidQuery, text).with_hint("leave it out"))
    }
}

/// The first clause of a call that only functions over several rows have.
fn clause_of(call: &Function) -> Option<&'static str> {
    let in_brackets = match &call.args {
        FunctionArguments::List(list) => {
            let clause = list.clauses.iter().find_map(|clause| match clause {
                FunctionArgumentClause::OrderBy(_) => Some("ORDER BY"),
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => Some("IGNORE NULLS"),
                FunctionArgumentClause::Limit(_) => Some("LIMIT"),
                _ => None,
            });
            let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)).then_some("DISTINCT");
            distinct.or(clause)
        }
        _ => None,
    };
    in_brackets
        .or(call.filter.is_some().then_some("FILTER"))
        .or(call.over.is_some().then_some("OVER"))
        .or((!call.within_group.is_empty()).then_some("WITHIN GROUP"))
        .or(call.null_treatment.is_some().then_some("IGNORE NULLS"))
}
