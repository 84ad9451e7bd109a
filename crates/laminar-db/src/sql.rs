//! What a program says to a database in SQL.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{ParsedStatement, parse_script};

use crate::statements::{self, StatementOutcome};
use crate::{Database, Rows, SubscribeOptions, Subscription};

impl Database {
    /// Runs all statements of `sql` in order and stops at the first that fails; what was done before it stays.
    /// An error's position points into `sql`.
    pub fn execute(&self, sql: &str) -> Result<Vec<StatementOutcome>> {
        let mut outcomes = Vec::new();
        for parsed in parse_script(sql) {
            let statement = parsed?;
            outcomes.push(self.run(&statement).map_err(|error| statement.in_script(error))?);
        }
        Ok(outcomes)
    }

    /// Runs one parsed statement. An error's position points into the statement's own text.
    pub fn run(&self, statement: &ParsedStatement) -> Result<StatementOutcome> {
        statements::run(self, statement)
    }

    /// The rows of one SELECT over tables and materialized views, as of one step.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        match self.execute(sql)?.pop() {
            Some(StatementOutcome::Rows(rows)) => Ok(rows),
            Some(StatementOutcome::Subscription(_)) => {
                Err(Error::new(Code::InvalidQuery, "this query reads a stream or source, which never has all its rows")
                    .with_hint("use subscribe, or select from a materialized view over it"))
            }
            _ => Err(Error::new(Code::InvalidQuery, "this is not a query").with_hint("use execute")),
        }
    }

    /// The changes of an object or query, step by step.
    pub fn subscribe(&self, name_or_query: &str) -> Result<Subscription> {
        self.subscribe_with(name_or_query, SubscribeOptions::default())
    }

    /// The same with chosen options.
    pub fn subscribe_with(&self, name_or_query: &str, options: SubscribeOptions) -> Result<Subscription> {
        statements::subscribe_to_text(self, name_or_query, options)
    }

    /// Whether `statement` is a SELECT over tables and views, or changes rows, and a bounded input of it is not read to its end yet.
    pub fn waits_for_inputs(&self, statement: &ParsedStatement) -> bool {
        statements::waits_for_inputs(&self.lock(), statement)
    }
}
