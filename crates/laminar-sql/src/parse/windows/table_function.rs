//! Windows in `FROM`: the table function becomes a derived table with the columns `window_start` and `window_end`.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArguments, Ident, ObjectName, SelectItem, Spanned, TableAlias, TableFactor,
    WildcardAdditionalOptions,
};
use laminar_core::{Code, Error, Result};

use super::call::{self, Family, Part, Window, place};
use crate::parse::dialect::TABLE_ARGUMENT;
use crate::parse::position::LineIndex;
use crate::parse::syntax;

/// Rewrites a relation that is a window's table function; others stay.
pub(super) fn rewrite(factor: &mut TableFactor, lines: &LineIndex<'_>) -> Result<()> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => match &function.args {
            FunctionArguments::List(list) => (&mut function.name, &list.args, alias),
            FunctionArguments::None | FunctionArguments::Subquery(_) => return Ok(()),
        },
        TableFactor::Function { name, .. } if family_of(name).is_some() => {
            let error = Error::new(Code::NotSupported, format!("LATERAL {name} is not built yet"));
            return Err(match call::span_of(name.span(), lines) {
                Some(span) => error.at(span),
                None => error,
            });
        }
        _ => return Ok(()),
    };
    let Some(family) = family_of(name) else { return Ok(()) };
    let whole = whole_call(name, args);
    let derived = derived(family, args, alias.take(), &whole, lines).map_err(|error| place(error, &whole, lines))?;
    *factor = derived;
    Ok(())
}

/// The kind of windows that a table function of this name makes.
pub(super) fn family_of(name: &ObjectName) -> Option<Family> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident().filter(|ident| ident.quote_style.is_none())?;
    Family::of(&ident.value)
}

/// The call as an expression, for its place.
fn whole_call(name: &ObjectName, args: &[FunctionArg]) -> Expr {
    let mut call = syntax::call(Ident::new(""), vec![]);
    if let Expr::Function(Function { name: own, args: FunctionArguments::List(list), .. }) = &mut call {
        *own = name.clone();
        list.args = args.to_vec();
    }
    call
}

fn derived(
    family: Family,
    args: &[FunctionArg],
    alias: Option<TableAlias>,
    whole: &Expr,
    lines: &LineIndex<'_>,
) -> Result<TableFactor> {
    let args = call::positional(family, args)?;
    let [input, time, rest @ ..] = args.as_slice() else {
        let error =
            Error::new(Code::InvalidWindow, format!("{} in FROM needs a table, its time column and a length", family.name()));
        return Err(error.with_hint(usage(family)));
    };
    let (relation, own_name, partition) = input_of(input, family, lines)?;
    if let Some(first) = partition.first().filter(|_| family != Family::Session) {
        let error = Error::new(Code::InvalidWindow, format!("{} has no PARTITION BY", family.name()));
        return Err(place(error.with_hint("write the columns in GROUP BY"), first, lines));
    }
    let time = time_of(time)?;
    let call = call::call_of(family, time, rest, whole, lines)?;
    let window = Window { family, time: time.clone(), call, partition };
    let column = |part, name| SelectItem::ExprWithAlias { expr: window.marker(part, whole.span()), alias: Ident::new(name) };
    let projection = vec![
        SelectItem::Wildcard(WildcardAdditionalOptions::default()),
        column(Part::Start, "window_start"),
        column(Part::End, "window_end"),
    ];
    let subquery = Box::new(syntax::query_of(syntax::select_of(projection, relation)));
    let name = own_name.unwrap_or_else(|| Ident::new(family.name().to_lowercase()));
    let alias = alias.unwrap_or(TableAlias { explicit: true, name, columns: vec![], at: None });
    Ok(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

fn usage(family: Family) -> String {
    format!("write {}(t, ts, INTERVAL …) or TABLE({0}(TABLE t, DESCRIPTOR(ts), INTERVAL …))", family.name())
}

/// The relation that a window function reads, the name it goes by, and `PARTITION BY`.
fn input_of(input: &Expr, family: Family, lines: &LineIndex<'_>) -> Result<(TableFactor, Option<Ident>, Vec<Expr>)> {
    match input {
        Expr::Identifier(name) => Ok((syntax::table_of(ObjectName::from(name.clone())), Some(name.clone()), vec![])),
        Expr::CompoundIdentifier(names) => Ok((syntax::table_of(ObjectName::from(names.clone())), names.last().cloned(), vec![])),
        Expr::Subquery(query) => {
            Ok((TableFactor::Derived { lateral: false, subquery: query.clone(), alias: None, sample: None }, None, vec![]))
        }
        Expr::Function(function) if function.name.to_string() == TABLE_ARGUMENT => {
            let args = match &function.args {
                FunctionArguments::List(list) => call::positional(family, &list.args)?,
                FunctionArguments::None | FunctionArguments::Subquery(_) => vec![],
            };
            let Some((name, partition)) = args.split_first() else {
                return Err(Error::internal("a table argument without a table"));
            };
            let (relation, own_name, _) = input_of(name, family, lines)?;
            Ok((relation, own_name, partition.iter().map(|expr| (*expr).clone()).collect()))
        }
        other => {
            let error = Error::new(
                Code::InvalidWindow,
                format!("the first argument of {} in FROM is a table or a sub-query", family.name()),
            );
            Err(place(error.with_hint(usage(family)), other, lines))
        }
    }
}

/// The time: `DESCRIPTOR(ts)` or the expression itself.
fn time_of(time: &Expr) -> Result<&Expr> {
    let Expr::Function(function) = time else { return Ok(time) };
    if !function.name.to_string().eq_ignore_ascii_case("descriptor") {
        return Ok(time);
    }
    let args = match &function.args {
        FunctionArguments::List(list) => call::positional(Family::Tumble, &list.args)?,
        FunctionArguments::None | FunctionArguments::Subquery(_) => vec![],
    };
    match args.as_slice() {
        [column] => Ok(column),
        _ => Err(Error::new(Code::InvalidWindow, "DESCRIPTOR names one column").with_hint("write DESCRIPTOR(ts)")),
    }
}
