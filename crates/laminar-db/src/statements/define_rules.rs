//! The rules of a new table, from its definition.

use arrow_schema::SchemaRef;
use laminar_core::dag::EdgeProperties;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CheckDef, ColumnExpr, CreateTable, UniqueDef};

use super::target_table::places_of;
use crate::block_on::block_on;
use crate::catalog::{CheckText, ColumnText, TableDefinition, TextLengths, UniqueText};
use crate::engine::{Check, ColumnDefault, DefaultValue, Engine, Generated, TableRules, Unique, Uniques};

/// The rules that `create`, whose text is `text`, declares for a table with these columns.
pub(super) fn rules_of(engine: &Engine, create: &CreateTable, schema: &SchemaRef, text: &str) -> Result<TableRules> {
    let table = &create.name.text;
    let key = places_of(&create.primary_key, schema, table)?;
    refuse_clashes(create)?;
    let definition = Definition { engine, create, schema, text };
    Ok(TableRules {
        table: table.clone(),
        schema: schema.clone(),
        uniques: uniques_of(create, schema, &key)?,
        key,
        lengths: TextLengths::of(&create.columns),
        defaults: create.defaults.iter().map(|default| definition.default(default)).collect::<Result<_>>()?,
        generated: create.generated.iter().map(|generated| definition.generated(generated)).collect::<Result<_>>()?,
        checks: create.checks.iter().map(|check| definition.check(check)).collect::<Result<_>>()?,
    })
}

/// What the catalog keeps of a table with these rules: what was written, from which they can be compiled again.
pub(super) fn definition_of(
    create: &CreateTable,
    rules: &TableRules,
    properties: EdgeProperties,
    idle_timeout: Option<i64>,
) -> Result<TableDefinition> {
    let of_column = |of: &ColumnExpr| -> Result<ColumnText> {
        let column = place_in(&rules.schema, of, &rules.table)?;
        Ok(ColumnText { column, text: of.value.text.clone() })
    };
    let of_check = |CheckDef { name, holds }: &CheckDef| CheckText {
        name: name.clone(),
        text: holds.text.clone(),
        columns: holds.names.clone(),
    };
    Ok(TableDefinition {
        properties,
        idle_timeout,
        key: rules.key.clone(),
        lengths: rules.lengths.clone(),
        defaults: create.defaults.iter().map(of_column).collect::<Result<_>>()?,
        generated: create.generated.iter().map(of_column).collect::<Result<_>>()?,
        checks: create.checks.iter().map(of_check).collect(),
        uniques: rules.uniques.constraints.iter().map(|unique| unique_text(unique, rules)).collect(),
    })
}

/// `UNIQUE` constraints over the columns of `schema`, of a table with this primary key.
fn uniques_of(create: &CreateTable, schema: &SchemaRef, key: &[usize]) -> Result<Uniques> {
    let of_definition = |definition: &UniqueDef| -> Result<Unique> {
        let UniqueDef { name, columns, nulls_distinct, span } = definition;
        let columns = places_of(columns, schema, &create.name.text)?;
        let unique = Unique { name: name.clone(), columns, nulls_distinct: *nulls_distinct };
        // Tried alone, so that the error stands where the constraint does.
        Uniques::new(vec![unique.clone()], schema, key, create.append_only).map_err(|error| error.at(*span))?;
        Ok(unique)
    };
    let constraints = create.uniques.iter().map(of_definition).collect::<Result<_>>()?;
    Uniques::new(constraints, schema, key, create.append_only)
}

fn unique_text(unique: &Unique, rules: &TableRules) -> UniqueText {
    let nulls = if unique.nulls_distinct { "" } else { " NULLS NOT DISTINCT" };
    let text = format!("UNIQUE{nulls} ({})", rules.names_of(&unique.columns));
    UniqueText { name: unique.name.clone(), columns: unique.columns.clone(), text }
}

fn place_in(schema: &SchemaRef, of: &ColumnExpr, table: &str) -> Result<usize> {
    let places = places_of([&of.column], schema, table)?;
    places.first().copied().ok_or_else(|| Error::internal("a column without a place"))
}

/// A definition that is being understood.
struct Definition<'a> {
    engine: &'a Engine,
    create: &'a CreateTable,
    schema: &'a SchemaRef,
    text: &'a str,
}

impl Definition<'_> {
    fn default(&self, default: &ColumnExpr) -> Result<ColumnDefault> {
        let (column, query) = (self.place(default)?, &default.value.query);
        let (planner, now, memory) = (&self.engine.planner, self.engine.clock.now(), self.engine.settings.query_memory);
        let at_clause = |error: Error| if error.span().is_some() { error } else { error.at(query.span) };
        let is_constant = planner.is_constant_default(query, self.text).map_err(at_clause)?;
        // Computed now in any case: a default that fits no row is an error of the definition.
        let value = planner.default_value(query, self.text, self.schema.field(column), now, memory);
        let value = block_on(value).map_err(at_clause)?;
        let value = match is_constant {
            true => DefaultValue::Constant(value),
            false => DefaultValue::PerStatement(query.clone(), self.text.to_owned()),
        };
        Ok(ColumnDefault { column, value })
    }

    fn generated(&self, generated: &ColumnExpr) -> Result<Generated> {
        let (column, value) = (self.place(generated)?, &generated.value);
        let is_named = |other: &&ColumnExpr| value.names.contains(&other.column.text);
        if let Some(other) = self.create.generated.iter().find(is_named) {
            let text =
                format!("generated column '{}' names '{}', which is generated too", generated.column.text, other.column.text);
            return Err(Error::new(Code::InvalidQuery, text).with_hint("write its expression out").at(value.query.span));
        }
        let field = self.schema.field(column);
        let compiled = self.engine.planner.row_expression(&value.query, "a generated column", self.text, self.schema, field);
        let compiled = compiled.map_err(|error| if error.span().is_some() { error } else { error.at(value.query.span) })?;
        Ok(Generated { column, value: compiled, text: value.text.clone() })
    }

    fn check(&self, check: &CheckDef) -> Result<Check> {
        let CheckDef { name, holds } = check;
        let compiled = self.engine.planner.row_condition(&holds.query, "CHECK", self.text, self.schema);
        let compiled = compiled.map_err(|error| if error.span().is_some() { error } else { error.at(holds.query.span) })?;
        Ok(Check { name: name.clone(), holds: compiled, text: holds.text.clone(), columns: holds.names.clone() })
    }

    fn place(&self, of: &ColumnExpr) -> Result<usize> {
        place_in(self.schema, of, &self.create.name.text)
    }
}

/// Clauses that contradict each other.
fn refuse_clashes(create: &CreateTable) -> Result<()> {
    let is_generated = |default: &&ColumnExpr| create.generated.iter().any(|other| other.column.text == default.column.text);
    if let Some(default) = create.defaults.iter().find(is_generated) {
        let text = format!("column '{}' has a DEFAULT and is generated", default.column.text);
        return Err(Error::new(Code::InvalidQuery, text).with_hint("write one of them").at(default.value.query.span));
    }
    match (create.generated.first(), &create.connector) {
        (Some(generated), Some(_)) => {
            let error = Error::new(Code::NotSupported, "a generated column in a table that a connector fills is not built yet");
            Err(error.with_hint("compute the column in a view over the table").at(generated.value.query.span))
        }
        _ => Ok(()),
    }
}
