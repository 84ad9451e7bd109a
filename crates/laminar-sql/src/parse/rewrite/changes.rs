//! `CHANGES(view)` in `FROM`: the changes of an object as rows, under a name of their own: [`changes_name`].

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Spanned, TableAlias, TableFactor,
};
use datafusion::sql::sqlparser::tokenizer;
use laminar_core::{Code, Error};

use crate::parse::{names, syntax};

/// What stands behind the name of an object whose changes are meant.
const SUFFIX: &str = "$changes";

/// What the changes of `object` are called.
pub fn changes_name(object: &str) -> String {
    format!("{object}{SUFFIX}")
}

/// The object whose changes are called `name`.
pub fn changes_of_name(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX).filter(|object| !object.is_empty())
}

/// Rewrites a relation that is a call of CHANGES; others stay.
pub(super) fn rewrite(factor: &mut TableFactor) -> ControlFlow<(Error, tokenizer::Span)> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => match &function.args {
            FunctionArguments::List(list) => (&mut function.name, &list.args, alias),
            FunctionArguments::None | FunctionArguments::Subquery(_) => return ControlFlow::Continue(()),
        },
        _ => return ControlFlow::Continue(()),
    };
    if !is_changes(name) {
        return ControlFlow::Continue(());
    }
    let Some(object) = object_of(args) else {
        let error = Error::new(Code::InvalidQuery, "CHANGES takes the name of one object");
        let hint = "write FROM CHANGES(view); for the changes of a query CREATE MATERIALIZED VIEW or CREATE STREAM of it";
        return ControlFlow::Break((error.with_hint(hint), name.span()));
    };
    let own = TableAlias { explicit: true, name: object.clone(), columns: vec![], at: None };
    let alias = alias.take().unwrap_or(own);
    let name = Ident { span: object.span, ..syntax::quoted(changes_name(&names::of_ident(&object))) };
    let mut relation = syntax::table_of(ObjectName::from(name));
    if let TableFactor::Table { alias: own, .. } = &mut relation {
        *own = Some(alias);
    }
    *factor = relation;
    ControlFlow::Continue(())
}

fn is_changes(name: &ObjectName) -> bool {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return false };
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("changes")
}

/// The name, alone or as TABLE name.
fn object_of(args: &[FunctionArg]) -> Option<Ident> {
    match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))] => Some(name.clone()),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(names)))] => names.last().cloned(),
        _ => None,
    }
}
