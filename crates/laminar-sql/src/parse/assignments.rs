//! `SET column = expr, (column, …) = (expr, …), …` of UPDATE and of ON CONFLICT DO UPDATE.

use datafusion::sql::sqlparser::ast::{Assignment, AssignmentTarget, Expr, ObjectName, ObjectNamePart, Spanned};
use datafusion::sql::sqlparser::parser::Parser;
use laminar_core::{Code, Error, Result, Span};

use super::dispatch::not_built;
use super::names;
use super::position::LineIndex;
use super::statement::{Name, SetColumn};
use super::syntax;
use super::tokens::Cursor;

/// The columns that are set, each once, and their values in the same order.
#[derive(Default)]
pub(super) struct Assignments {
    pub(super) columns: Vec<SetColumn>,
    pub(super) values: Vec<Expr>,
}

/// Reads what stands behind `SET`.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Assignments> {
    let start = cursor.position();
    let parsed = cursor.parse(|parser| parser.parse_comma_separated(Parser::parse_assignment))?;
    let mut reader = Reader { lines: cursor.lines(), whole: cursor.since(start), found: Assignments::default() };
    parsed.into_iter().try_for_each(|assignment| reader.assignment(assignment))?;
    Ok(reader.found)
}

/// Whether `DEFAULT` stands in place of a value.
pub(super) fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

struct Reader<'a> {
    lines: LineIndex<'a>,
    whole: Span,
    found: Assignments,
}

impl Reader<'_> {
    fn assignment(&mut self, assignment: Assignment) -> Result<()> {
        let columns = match assignment.target {
            AssignmentTarget::ColumnName(column) => return self.set(&column, assignment.value),
            AssignmentTarget::Tuple(columns) => columns,
        };
        let place = self.place(assignment.value.span());
        let values = match assignment.value {
            Expr::Tuple(values) => values,
            Expr::Nested(value) => vec![*value],
            Expr::Subquery(_) => {
                let instead = "set each column by a sub-query of its own, or join the sub-query in FROM";
                return Err(not_built("a sub-query for several columns", place, instead));
            }
            other => vec![other],
        };
        if columns.len() != values.len() {
            let text = format!("{} values for {} columns", values.len(), columns.len());
            return Err(Error::new(Code::InvalidQuery, text).at(place));
        }
        columns.iter().zip(values).try_for_each(|(column, value)| self.set(column, value))
    }

    fn set(&mut self, column: &ObjectName, value: Expr) -> Result<()> {
        let span = self.place(column.span());
        let [ObjectNamePart::Identifier(ident)] = column.0.as_slice() else {
            let error = Error::new(Code::UnknownColumn, format!("'{column}' is no column that can be set")).at(span);
            return Err(error.with_hint("write the column's name alone: it is one of the table that is changed"));
        };
        let name = Name { text: names::of_ident(ident), span };
        if self.found.columns.iter().any(|before| before.name.text == name.text) {
            return Err(Error::new(Code::InvalidQuery, format!("column '{}' is set twice", name.text)).at(span));
        }
        let to_default = is_default(&value);
        self.found.columns.push(SetColumn { name, to_default });
        self.found.values.push(if to_default { syntax::null() } else { value });
        Ok(())
    }

    fn place(&self, place: datafusion::sql::sqlparser::tokenizer::Span) -> Span {
        self.lines.span(place).filter(|span| span.end > span.start).unwrap_or(self.whole)
    }
}
